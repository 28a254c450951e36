import type { SecretPaths } from './files/secret-paths.js'

/** What is instrumented, and how rows of it look. */
export interface InstrumentSettings {
  /** `required`: what is not covered is refused. */
  readonly instrument: 'on' | 'off' | 'required'
  /** Names of hooks and of layers that are off: `aws-kms`, `wire`. */
  readonly disable: ReadonlySet<string>
  /** Hosts, `name` or `name:port`, by the provider that answers there: `vault`, `azure`, `kubernetes`, … */
  readonly hosts: ReadonlyMap<string, ReadonlySet<string>>
  /** Who: asked at each access. Its answer is `actorId`. */
  readonly actor: (() => string | undefined) | undefined
  /** The entry of the baggage that says who is meant: `attributes.claimed_actor`, since anybody may send it. */
  readonly claimedActor: string | undefined
  /** Parameters of SSM that are recorded: those of the type `SecureString`, or all. */
  readonly ssm: 'secure' | 'all'
  /** Whether secrets that are put, changed and deleted are recorded, too. */
  readonly writes: boolean
  /** Whether it is recorded when a workload takes on an identity: STS, Google and Azure credentials. */
  readonly identity: boolean
  /** The files that hold secrets. Undefined: no file is looked at. */
  readonly files: SecretPaths | undefined
  /** Names of variables of the environment that hold secrets. */
  readonly env: readonly string[]
}

export const INSTRUMENT_DEFAULTS: InstrumentSettings = Object.freeze({
  instrument: 'on',
  disable: new Set<string>(),
  hosts: new Map<string, ReadonlySet<string>>(),
  actor: undefined,
  claimedActor: undefined,
  ssm: 'secure',
  writes: false,
  identity: false,
  files: undefined,
  env: [],
})
