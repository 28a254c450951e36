import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Branch, branches, type ExpectedEvent } from '../../../examples/wallet/demo/branches.js'
import { isIssuing, isReadOfProvider } from '../../../examples/wallet/demo/evidence.js'
import { WalletClient } from '../../../examples/wallet/demo/client.js'
import { Traffic } from '../../../examples/wallet/demo/traffic.js'
import { ofExecution, readTrail, type TrailRow } from '../../../examples/wallet/demo/trail.js'
import { emptyDatabase, type TestDatabase } from '../../support/database.js'
import { type StageWithDatabase, stageOver } from './staged.js'
import { waitUntil } from './wait-until.js'

let testDatabase: TestDatabase
let stage: StageWithDatabase
let client: WalletClient
let traffic: Traffic

/** How many rows of an access the requests so far must have left. */
let expectedRows = 0

beforeAll(async () => {
  testDatabase = await emptyDatabase()
  stage = await stageOver(testDatabase.url)
  client = new WalletClient(stage.fixture)
  traffic = new Traffic(stage, client)
})

afterAll(async () => {
  await stage?.close()
  await testDatabase?.drop()
})

const trail = () => readTrail(testDatabase.url, stage.instances)

/** The rows of the wallets' accesses, without what the pipeline says of itself, and without those of the provider. */
async function accessRows(): Promise<TrailRow[]> {
  const rows = (await trail()).filter(({ operation }) => !operation.startsWith('audit_'))
  return rows.filter((row) => !isReadOfProvider(row))
}

function nameOf({ surface, when, worker }: Branch): string {
  return `${surface}${worker === undefined ? '' : ` for ${worker}`}: ${when}`
}

const absent = (value: string | undefined) => value ?? null

function rowOf(event: ExpectedEvent, { credential }: Branch, executionId: bigint) {
  return {
    credential,
    operation: event.operation,
    outcome: event.outcome,
    worker_id: absent(event.workerId),
    execution_id: executionId.toString(),
    parent_execution_id: (2n ** 60n).toString(),
    server_region: event.serverRegion,
    broker_region: absent(event.brokerRegion),
    kek_version: absent(event.kekVersion),
    notes: absent(event.notes),
    actor_id: absent(event.actorId),
    actor_type: event.actorId === undefined ? null : 'service',
    source_address: '127.0.0.1',
    service_name: `wallet-${event.serverRegion}`,
  }
}

describe('every branch leaves exactly its events', () => {
  it.each(branches.map((branch) => [nameOf(branch), branch] as const))('%s', async (_, branch) => {
    const { executionId, reply } = await traffic.take(branch)
    expectedRows += branch.events.length
    expect(reply.status).toBe(branch.status)
    if (branch.status === 200) expect(reply.secret).toBe(stage.fixture.canary)
    else expect(reply.body.outcome).toBe(branch.events[0].outcome)

    const rows = await waitUntil('the rows of the branch', async () => {
      const found = ofExecution(await trail(), executionId)
      return found.length >= branch.events.length && found
    })
    const byRegion = (a: { server_region: string | null }, b: { server_region: string | null }) =>
      `${a.server_region}` < `${b.server_region}` ? -1 : 1
    const expected = branch.events.map((event) => rowOf(event, branch, executionId)).sort(byRegion)
    expect(rows.toSorted(byRegion)).toEqual(expected.map((row) => expect.objectContaining(row)))
    for (const [i, event] of branch.events.entries()) {
      const row = rows.find(({ server_region }) => server_region === event.serverRegion)
      expect(Object.keys((row?.attributes as object | null) ?? {}), `event ${i}`).toEqual(
        event.attributes ?? [],
      )
    }
    expect(new Set(rows.map(({ trace_id }) => trace_id)).size).toBe(1)
  })

  it('and all operations and outcomes are among them', () => {
    const events = branches.flatMap((branch) => branch.events)
    expect([...new Set(events.map(({ operation }) => operation))].sort().join(' ')).toBe(
      'cross_region_broker_serve get_credential get_sealed resolve_keychain',
    )
    expect([...new Set(events.map(({ outcome }) => outcome))].sort().join(' ')).toBe(
      'broker_unreachable credential_not_found kek_destroyed no_pubkey ok provider_fetch_error ' +
        'residency_violation template_error unauthenticated wrong_region',
    )
  })
})

describe('names that callers make up', () => {
  it.each([
    ['very long', 'x'.repeat(3000)],
    ['with a NUL', 'a\0b'],
    ['with control characters', 'a\r\nb\u001b[31m'],
    ['with SQL', `'; drop table noetl.secret_audit; --`],
    ['with a slash', '../../etc/passwd'],
    ['beyond the BMP', '\u{1f511}\u202e'],
    ['of a prototype', '__proto__'],
  ])('a credential %s is denied, and recorded once', async (_, credential) => {
    const executionId = 2n ** 61n + BigInt(expectedRows)
    const reply = await client.send(stage.euCentral.url, {
      surface: 'get_credential',
      credential,
      sender: 'caller',
      executionId,
    })
    expect(reply.status).toBe(404)
    expectedRows += 1
    const rows = await waitUntil('its row', async () => {
      const found = ofExecution(await trail(), executionId)
      return found.length > 0 && found
    })
    expect(rows).toMatchObject([{ operation: 'get_credential', outcome: 'credential_not_found' }])
  })
})

describe('what is no access to a secret leaves no event', () => {
  type Call = readonly [what: string, status: number, path: string, init?: RequestInit]
  const post = (body: string, type = 'application/json') => ({
    method: 'POST',
    headers: { 'content-type': type },
    body,
  })
  const broker = '/api/internal/cross-region/resolve'
  const ill: readonly Call[] = [
    ['the metadata of a credential', 200, '/api/credentials/payments-db'],
    ['the metadata of nothing', 404, '/api/credentials/no-such-key'],
    ['health', 200, '/healthz'],
    ['an unknown path', 404, '/api/secrets'],
    ['another method', 405, '/api/credentials/payments-db', { method: 'DELETE' }],
    ['a flag that is neither', 400, '/api/credentials/payments-db?include_data=1'],
    ['a worker that is missing', 400, '/api/credentials/payments-db/sealed'],
    ['a worker given twice', 400, '/api/credentials/payments-db/sealed?worker_id=a&worker_id=b'],
    [
      'an execution id that is no number',
      400,
      '/api/credentials/payments-db?include_data=true&execution_id=x',
    ],
    ['an execution id of 64 bits', 400, `/api/credentials/x?include_data=true&execution_id=${2n ** 63n}`],
    ['a path that is no UTF-8', 400, '/api/credentials/%ff?include_data=true'],
    ['a broken escape', 400, '/api/credentials/%?include_data=true'],
    ['a body that is no JSON', 400, broker, post('{')],
    ['a body of another kind', 415, broker, post('x=1', 'application/x-www-form-urlencoded')],
    ['a body that is too long', 413, broker, post(JSON.stringify({ credential: 'x'.repeat(5_000_000) }))],
    ['a body that is a list', 400, broker, post('[]')],
    ['no credential', 400, broker, post('{}')],
    [
      'a public key of 31 bytes',
      400,
      broker,
      post(JSON.stringify({ credential: 'x', public_key: 'A'.repeat(42) })),
    ],
    [
      'a public key of low order',
      400,
      broker,
      post(JSON.stringify({ credential: 'x', public_key: 'A'.repeat(43) })),
    ],
  ]

  it.each(ill.map((call) => [`${call[0]}: ${call[1]}`, call] as const))('%s', async (_, call) => {
    const [, status, path, init = {}] = call
    const headers = new Headers(init.headers)
    headers.set('authorization', `Bearer ${stage.fixture.callerToken}`)
    const response = await fetch(new URL(path, stage.euCentral.url), { ...init, headers })
    expect(response.status).toBe(status)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(await response.text()).not.toContain(stage.fixture.canary)
  })

  it('nor does metadata asked for without a token', async () => {
    const response = await fetch(new URL('/api/credentials/payments-db', stage.euCentral.url))
    expect(response.status).toBe(401)
  })
})

describe('rotation', () => {
  it('moves the records to a new KEK version, with an event of its own', async () => {
    const rotate = (token: string) =>
      fetch(new URL('/api/internal/kek/rotate', stage.euCentral.url), {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
      })
    expect((await rotate(stage.fixture.callerToken)).status).toBe(401)
    const response = await rotate(stage.fixture.peerToken)
    expect(await response.json()).toEqual({ kek_version: 'kek-3', rewrapped: 3 })
    const access = { surface: 'get_credential', credential: 'partner-api', sender: 'caller' } as const
    const executionId = 2n ** 62n
    const reply = await client.send(stage.euCentral.url, { ...access, executionId })
    expect(reply.secret).toBe(stage.fixture.canary)
    expectedRows += 2
    const rows = await waitUntil('both rows', async () => {
      const found = (await trail()).filter(({ kek_version }) => kek_version === 'kek-3')
      return found.length >= 2 && found
    })
    expect(rows).toMatchObject([
      { operation: 'rotate_kek', outcome: 'ok', credential: 'kek/eu-central', attributes: { rewrapped: 3 } },
      { operation: 'get_credential', outcome: 'ok', execution_id: executionId.toString() },
    ])
  })
})

describe('altogether', () => {
  it('there are no other rows', async () => {
    expect(await accessRows()).toHaveLength(expectedRows)
  })

  it('the provider has a row for each token that it read, in the trace of the access, and has no line about audit', async () => {
    const rows = await trail()
    const reads = rows.filter(isReadOfProvider)
    const issued = branches.filter(isIssuing)
    expect(reads.map(({ outcome, attributes }) => ({ outcome, ...(attributes as object) }))).toEqual(
      issued.map(() =>
        expect.objectContaining({ outcome: 'ok', provider: 'vault', seen: 'client', version: '1' }),
      ),
    )
    for (const { trace_id } of reads) {
      const accesses = rows.filter((row) => row.trace_id === trace_id && row.operation === 'resolve_keychain')
      expect(accesses).toHaveLength(1)
    }
  })

  it('the services had nothing unexpected to say', () => {
    expect(stage.said.filter((line) => /Error|unexpected/.test(line))).toEqual([])
  })

  it('the README shows every branch', async () => {
    const readme = await readFile(new URL('../../../examples/wallet/README.md', import.meta.url), 'utf8')
    const section = readme.slice(readme.indexOf('## Every branch'), readme.indexOf('## Run one region'))
    const lines = section.split('\n').filter((line) => line.startsWith('|'))
    expect(lines.slice(2).map((line) => line.replace(/ +/g, ' '))).toEqual(branchLines())
  })
})

/** One line for each event of a branch; what is filled besides the fields that every event has. */
function branchLines(): string[] {
  return branches.flatMap((branch) =>
    branch.events.map((event, i) => {
      const filled = [
        event.workerId && 'worker',
        event.brokerRegion && `broker ${event.brokerRegion}`,
        event.kekVersion,
        event.actorId === undefined && 'no actor',
        event.attributes?.map((name) => `\`${name}\``).join(),
        event.notes && `“${event.notes}”`,
      ].filter(Boolean)
      const [surface, when, status] =
        i === 0
          ? [`\`${branch.surface}\``, branch.when, branch.status]
          : ['', `↳ in ${event.serverRegion}`, '']
      const cells = [
        surface,
        when,
        status,
        `\`${event.operation}\``,
        `\`${event.outcome}\``,
        filled.join(', '),
      ]
      return `| ${cells.join(' | ')} |`.replace(/ +/g, ' ')
    }),
  )
}
