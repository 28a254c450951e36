/** One audit event that a branch leaves in the trail. What is absent here is NULL there. */
export interface ExpectedEvent {
  readonly serverRegion: string
  readonly operation: string
  readonly outcome: string
  readonly actorId?: string
  readonly workerId?: string
  readonly brokerRegion?: string
  readonly kekVersion?: string
  readonly notes?: string
  readonly attributes?: readonly string[]
}

/** One way through the service that ends with an access to a credential, and the request that takes it. */
export interface Branch {
  readonly surface: 'get_credential' | 'get_sealed' | 'cross_region_broker_serve'
  readonly when: string
  readonly credential: string
  readonly worker?: string
  /** Whose token the request carries. */
  readonly sender: 'caller' | 'peer' | 'anonymous'
  readonly status: number
  /** First that of eu-central, which is asked; then that of the region which it asks. */
  readonly events: readonly [ExpectedEvent, ...ExpectedEvent[]]
}

const EU = 'eu-central'
const US = 'us-east'
const CALLER = 'release-train'

type Known = Omit<Partial<ExpectedEvent>, 'serverRegion' | 'operation' | 'outcome'>

/** How the resolution of a credential ends, whichever public surface asks for it. */
interface Resolution {
  readonly when: string
  readonly credential: string
  readonly status: number
  readonly outcome: string
  readonly own: Known
  /** What the region that is asked for help records. */
  readonly peer?: Known
}

function resolution(
  when: string,
  credential: string,
  status: number,
  outcome: string,
  own: Known = {},
  peer?: Known,
): Resolution {
  return { when, credential, status, outcome, own, ...(peer && { peer }) }
}

const destroyed = 'its KEK version is destroyed'
const refused = 'refused by the home region'

const stored: readonly Resolution[] = [
  resolution('held here', 'payments-db', 200, 'ok', { kekVersion: 'kek-2' }),
  resolution('held here, older KEK version', 'partner-api', 200, 'ok', { kekVersion: 'kek-1' }),
  resolution('held here, KEK version destroyed', 'escrow-key', 410, 'kek_destroyed', {
    kekVersion: 'kek-0',
    notes: destroyed,
  }),
  resolution('neither in the store nor in the keychain', 'no-such-key', 404, 'credential_not_found'),
  resolution('residency forbids this region', 'patient-records', 403, 'residency_violation', {
    notes: 'the home region was not asked',
  }),
  resolution(
    'held by a peer',
    'shipping-api',
    200,
    'ok',
    { brokerRegion: US, kekVersion: 'kek-2' },
    { kekVersion: 'kek-2' },
  ),
  resolution(
    'held by a peer, which refuses for residency',
    'clinical-trials',
    403,
    'residency_violation',
    { brokerRegion: US, notes: refused },
    { notes: refused },
  ),
  resolution(
    'held by a peer, KEK version destroyed',
    'archive-key',
    410,
    'kek_destroyed',
    { brokerRegion: US, notes: destroyed },
    { kekVersion: 'kek-0', notes: destroyed },
  ),
  resolution(
    'stale catalogue: moved away from the peer',
    'billing-legacy',
    502,
    'wrong_region',
    { brokerRegion: US, notes: 'the catalogue is stale: the credential has moved' },
    { notes: 'its home region is ap-south' },
  ),
  resolution(
    'stale catalogue: unknown to the peer',
    'retired-key',
    404,
    'credential_not_found',
    { brokerRegion: US, notes: 'unknown in its home region' },
    {},
  ),
  resolution('the peer is down', 'sensor-feed', 502, 'broker_unreachable', {
    brokerRegion: 'ap-south',
    notes: 'no connection to the home region',
  }),
  resolution('the peer does not answer', 'tanker-feed', 502, 'broker_unreachable', {
    brokerRegion: 'me-north',
    notes: 'the home region did not answer in time',
  }),
  resolution('the peer answers something else', 'port-feed', 502, 'broker_unreachable', {
    brokerRegion: 'sa-west',
    notes: 'the home region answered 404',
  }),
  resolution('the home region is not a peer', 'relay-key', 502, 'broker_unreachable', {
    brokerRegion: 'af-north',
    notes: 'no address is configured for the home region',
  }),
]

const keychain: readonly Resolution[] = [
  resolution('store miss: the provider issues it', 'deploy-token', 200, 'ok'),
  resolution('store miss: a placeholder has no value', 'tenant-token', 500, 'template_error', {
    notes: 'placeholder env.tenant has no value',
  }),
  resolution('store miss: a placeholder is malformed', 'torn-token', 500, 'template_error', {
    notes: 'a placeholder is not closed',
  }),
  resolution('store miss: the provider fails', 'failing-token', 502, 'provider_fetch_error', {
    notes: 'the provider answered 503',
  }),
  resolution('store miss: the provider does not answer', 'silent-token', 502, 'provider_fetch_error', {
    notes: 'the provider did not answer in time',
  }),
  resolution('store miss: the provider is down', 'stranded-token', 502, 'provider_fetch_error', {
    notes: 'no connection to the provider',
  }),
  resolution('store miss: the answer is not understood', 'nonsense-token', 502, 'provider_fetch_error', {
    notes: 'the provider gave an answer that is not understood',
  }),
  resolution('store miss: the answer is too long', 'long-token', 502, 'provider_fetch_error', {
    notes: 'the answer of the provider is too long',
  }),
  resolution('store miss: unknown to the provider', 'revoked-token', 404, 'credential_not_found', {
    notes: 'unknown to its provider',
  }),
]

/** What eu-central answers to us-east. */
const brokered: readonly Resolution[] = [
  resolution('held here', 'payments-db', 200, 'ok', { kekVersion: 'kek-2' }),
  resolution('held here, residency forbids the peer', 'citizen-registry', 403, 'residency_violation', {
    notes: refused,
  }),
  resolution('held here, KEK version destroyed', 'escrow-key', 410, 'kek_destroyed', {
    kekVersion: 'kek-0',
    notes: destroyed,
  }),
  resolution('lives elsewhere', 'sensor-feed', 409, 'wrong_region', { notes: 'its home region is ap-south' }),
  resolution('unknown here', 'no-such-key', 404, 'credential_not_found'),
]

type PublicSurface = 'get_credential' | 'get_sealed'

function onSurface(surface: PublicSurface, operation: string, resolutions: readonly Resolution[]): Branch[] {
  const worker = surface === 'get_sealed' ? { workerId: 'runner-1' } : {}
  const provider = operation === 'resolve_keychain' ? { attributes: ['provider'] } : {}
  return resolutions.map(({ when, credential, status, outcome, own, peer }) => {
    const first = { serverRegion: EU, operation, outcome, actorId: CALLER, ...worker, ...provider, ...own }
    const second = peer && {
      serverRegion: US,
      operation: 'cross_region_broker_serve',
      outcome,
      actorId: EU,
      brokerRegion: US,
      attributes: ['requesting_region'],
      ...worker,
      ...peer,
    }
    const sender = 'caller' as const
    const sealed = surface === 'get_sealed' ? { worker: 'runner-1' } : {}
    return {
      surface,
      when,
      credential,
      ...sealed,
      sender,
      status,
      events: second ? [first, second] : [first],
    }
  })
}

function refusedBeforehand(
  surface: Branch['surface'],
  sender: 'caller' | 'anonymous',
  when: string,
  status: number,
  outcome: string,
  known: Known,
): Branch {
  const worker = known.workerId === undefined ? {} : { worker: known.workerId }
  const event = { serverRegion: EU, operation: surface, outcome, ...known }
  return { surface, when, credential: 'payments-db', ...worker, sender, status, events: [event] }
}

function noKey(worker: string, when: string, notes: string): Branch {
  return refusedBeforehand('get_sealed', 'caller', when, 409, 'no_pubkey', {
    actorId: CALLER,
    workerId: worker,
    notes,
  })
}

/** Every branch of every surface that ends with an access to a credential. The README shows them as a table. */
export const branches: readonly Branch[] = [
  ...onSurface('get_credential', 'get_credential', stored),
  refusedBeforehand('get_credential', 'anonymous', 'no valid token', 401, 'unauthenticated', {}),
  ...onSurface('get_sealed', 'get_sealed', stored),
  noKey('runner-2', 'the worker has no key yet', 'the worker has no key yet'),
  noKey('runner-9', 'the worker is not registered', 'the worker is not registered'),
  refusedBeforehand('get_sealed', 'anonymous', 'no valid token', 401, 'unauthenticated', {
    workerId: 'runner-1',
  }),
  ...onSurface('get_credential', 'resolve_keychain', keychain),
  ...onSurface('get_sealed', 'resolve_keychain', keychain),
  ...brokered.map(({ when, credential, status, outcome, own }): Branch => {
    const operation = 'cross_region_broker_serve'
    const known = { actorId: US, brokerRegion: EU, attributes: ['requesting_region'] }
    const event = { serverRegion: EU, operation, outcome, ...known, ...own }
    return { surface: operation, when, credential, sender: 'peer', status, events: [event] }
  }),
  refusedBeforehand('cross_region_broker_serve', 'anonymous', 'no valid token', 401, 'unauthenticated', {
    brokerRegion: EU,
  }),
]
