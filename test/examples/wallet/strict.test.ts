import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { formIn } from '../../../examples/wallet/demo/canary.js'
import { readTrail } from '../../../examples/wallet/demo/trail.js'
import { type PostgresServer, startPostgres } from '../../support/postgres/server.js'
import { type StageWithDatabase, stageOver } from './staged.js'
import { waitUntil } from './wait-until.js'
import { Wire } from './wire.js'

let server: PostgresServer
let stage: StageWithDatabase
let executions = 2n ** 60n

beforeAll(async () => {
  server = await startPostgres()
})

afterAll(async () => {
  await server?.close()
})

interface Asked {
  readonly wire: Wire
  readonly executionId: bigint
}

function ask(path: string): Asked {
  const executionId = ++executions
  const separator = path.includes('?') ? '&' : '?'
  const target = `${path}${separator}execution_id=${executionId}`
  return { wire: new Wire(stage.euCentral.url, target, stage.fixture.callerToken), executionId }
}

const CLEAR = '/api/credentials/payments-db?include_data=true'
const SEALED = '/api/credentials/payments-db/sealed?worker_id=runner-1'
const ISSUED = '/api/credentials/deploy-token?include_data=true'
const BROKERED = '/api/credentials/shipping-api?include_data=true'
const UNKNOWN = '/api/credentials/no-such-key?include_data=true'
const FORBIDDEN = '/api/credentials/patient-records?include_data=true'

async function rowsOf(executionId: bigint) {
  const rows = await readTrail(server.url(), stage.instances)
  return rows.filter((row) => row.execution_id === executionId.toString())
}

const nothingOfTheSecret = (raw: string) => {
  expect(formIn(raw, stage.fixture.canary)).toBeUndefined()
  expect(raw).not.toContain('ciphertext')
}

describe('strict mode while Postgres cannot be written', () => {
  beforeAll(async () => {
    const env = { NOETL_SECRET_AUDIT_REQUIRED: 'true', NOETL_SECRET_AUDIT_DEADLINE_MS: '2000' }
    stage = await stageOver(server.url(), env)
  })

  afterAll(async () => {
    await stage?.close()
  })

  const outages = [
    { how: 'paused', begin: () => server.pause(), end: async () => server.resume() },
    { how: 'stopped', begin: () => server.stop(), end: () => server.start() },
    { how: 'crashed', begin: () => server.kill(), end: () => server.start() },
  ]

  it.each(outages)('$how: 503 and not one byte of the secret; a denial stays that denial', async (outage) => {
    const before = await ask(CLEAR).wire.answer()
    expect(before.status).toBe(200)
    expect(JSON.parse(before.body)).toMatchObject({ data: stage.fixture.canary })

    await outage.begin()
    const denials = [ask(UNKNOWN), ask(FORBIDDEN)]
    try {
      for (const { wire } of [ask(CLEAR), ask(SEALED), ask(ISSUED)]) {
        const { status, body, raw } = await wire.answer()
        expect(status).toBe(503)
        nothingOfTheSecret(raw)
        const problem = JSON.parse(body)
        expect(problem).toEqual({
          status: 503,
          title: expect.any(String),
          code: expect.stringMatching(/^AUDIT_(UNAVAILABLE|TIMEOUT)$/),
          row: expect.stringMatching(/^(not-stored|unknown)$/),
          audit_id: expect.stringMatching(/^\d+$/),
        })
        expect(raw).not.toMatch(/postgres|noetl|ECONN|terminat|127\.0\.0\.1|insert|sql/i)
      }
      const brokered = await ask(BROKERED).wire.answer()
      expect(brokered.status).toBe(502)
      nothingOfTheSecret(brokered.raw)
      const [unknown, forbidden] = await Promise.all(denials.map(({ wire }) => wire.answer()))
      expect(unknown?.status).toBe(404)
      expect(forbidden?.status).toBe(403)
    } finally {
      await outage.end()
    }

    await waitUntil('a secret again', async () => (await ask(CLEAR).wire.answer()).status === 200)
    for (const { executionId } of denials) {
      const rows = await waitUntil('the row of the denial', async () => {
        const found = await rowsOf(executionId)
        return found.length > 0 && found
      })
      expect(rows).toHaveLength(1)
    }
  })

  it('rotation works while nothing can be recorded', async () => {
    await server.pause()
    try {
      const response = await fetch(new URL('/api/internal/kek/rotate', stage.euCentral.url), {
        method: 'POST',
        headers: { authorization: `Bearer ${stage.fixture.peerToken}` },
      })
      expect(response.status).toBe(200)
    } finally {
      server.resume()
    }
    await waitUntil('its row', async () => {
      const rows = await readTrail(server.url(), stage.instances)
      return rows.some(({ operation }) => operation === 'rotate_kek')
    })
  })
})

describe('strict mode while a commit is held', () => {
  beforeAll(async () => {
    const env = {
      NOETL_SECRET_AUDIT_REQUIRED: 'true',
      NOETL_SECRET_AUDIT_DEADLINE_MS: '60000',
      NOETL_SECRET_AUDIT_ANSWER_TIMEOUT_MS: '60000',
    }
    stage = await stageOver(server.url(), env)
  })

  afterAll(async () => {
    await stage?.close()
  })

  async function sessionsWaitingFor(event: string): Promise<number> {
    const { rows } = await server.query<{ n: string }>(
      'select count(*) as n from pg_stat_activity where wait_event = $1',
      [event],
    )
    return Number(rows[0]?.n)
  }

  /** A standby that does not exist: each commit is on disk, and waits, visible to nobody, until it is let go. */
  async function holdCommits(): Promise<() => Promise<void>> {
    const reload = async (sql: string) => {
      await server.query(sql)
      await server.query('select pg_reload_conf()')
    }
    await reload(`alter system set synchronous_standby_names = 'nobody'`)
    await waitUntil('the setting in force', async () => {
      const { rows } = await server.query<{ synchronous_standby_names: string }>(
        'show synchronous_standby_names',
      )
      return rows[0]?.synchronous_standby_names === 'nobody'
    })
    return () => reload('alter system reset synchronous_standby_names')
  }

  it.each([
    ['in clear text', CLEAR],
    ['sealed', SEALED],
    ['from the keychain', ISSUED],
  ])('%s: no byte before the commit, and the row is there with the first byte', async (_, path) => {
    const release = await holdCommits()
    const { wire, executionId } = ask(path)
    try {
      await waitUntil('the commit', async () => (await sessionsWaitingFor('SyncRep')) > 0)
      expect(await rowsOf(executionId)).toEqual([])
      expect(wire.received).toBe('')
    } finally {
      await release()
    }
    await wire.firstByte
    expect(await rowsOf(executionId)).toMatchObject([{ outcome: 'ok' }])
    expect((await wire.answer()).status).toBe(200)
  })

  it('no byte while the insert waits for a lock, either', async () => {
    const locker = new Client({ connectionString: server.url() })
    await locker.connect()
    await locker.query('begin')
    await locker.query('lock table noetl.secret_audit in share mode')
    const { wire, executionId } = ask(CLEAR)
    await waitUntil('the insert', async () => (await sessionsWaitingFor('relation')) > 0)
    expect(wire.received).toBe('')
    await locker.query('rollback')
    await locker.end()
    await wire.firstByte
    expect(await rowsOf(executionId)).toHaveLength(1)
  })

  it('a client that goes away does not take its record along', async () => {
    const release = await holdCommits()
    const first = ask(CLEAR)
    let second: Asked
    try {
      await waitUntil('the commit', async () => (await sessionsWaitingFor('SyncRep')) > 0)
      // Behind the commit that is held: this record is still in the service when its client goes.
      second = ask(CLEAR)
      await fetch(new URL('/healthz', stage.euCentral.url))
      second.wire.socket.destroy()
      await fetch(new URL('/healthz', stage.euCentral.url))
      expect(await rowsOf(second.executionId)).toEqual([])
    } finally {
      await release()
    }
    expect((await first.wire.answer()).status).toBe(200)
    const rows = await waitUntil('the row', async () => {
      const found = await rowsOf(second.executionId)
      return found.length > 0 && found
    })
    expect(rows).toMatchObject([{ operation: 'get_credential', outcome: 'ok' }])
  })
})
