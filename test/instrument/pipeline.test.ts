import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createAudit } from '../../src/audit/audit.js'
import { Operation, Outcome } from '../../src/event/vocabulary.js'
import { RecordingAuditSink } from '../../src/sinks/recording.js'
import { LASTING } from '../support/faults.js'
import { migratedDatabase, type TestDatabase } from '../support/database.js'
import { readTrail } from '../support/trail.js'
import { said } from './watched.js'
import { SECRET, secretServer, VAULT_HEADERS, VAULT_PATH } from './wire/secret-server.js'

let database: TestDatabase

beforeAll(async () => {
  database = await migratedDatabase()
})

afterAll(() => database.drop())

describe('a pipeline whose own password is in a secret manager', () => {
  it('does not wait for itself: the access is recorded async, as its own; those of the application are strict', async () => {
    const { url } = await secretServer()
    const ask = async (path: string): Promise<string> =>
      (await fetch(url + path, { headers: VAULT_HEADERS })).text()
    const audit = createAudit({
      async databaseUrl() {
        await ask('/v1/secret/data/trail-password')
        return database.url
      },
      strict: true,
      instrument: 'on',
    })
    onTestFinished(() => audit.close())
    await audit.start()
    expect(await ask(VAULT_PATH)).toContain(SECRET)
    await audit.flush()
    const rows = (await readTrail(database.url)).map(({ event }) => event)
    const ofSecrets = rows.filter(({ operation }) => operation === Operation.GetCredential).map(said)
    expect(ofSecrets).toContainEqual(
      expect.objectContaining({ credential: 'secret/trail-password', own: true }),
    )
    const [mine, ...more] = ofSecrets.filter(
      (row) => 'credential' in row && row.credential === 'secret/orders',
    )
    expect(more).toEqual([])
    expect(mine).not.toHaveProperty('own')
  })
})

describe('the options of strict mode', () => {
  it('strictExcept: what is needed before the trail is never strict, by its name', async () => {
    let isDown = true
    const sink = new RecordingAuditSink(() => (isDown ? LASTING : undefined))
    const audit = createAudit({
      sink,
      strict: true,
      strictExcept: 'bootstrap/*,secret/*/root',
      deadlineMs: 500,
    })
    onTestFinished(() => audit.close({ timeoutMs: 100 }))
    const record = (credential: string) =>
      audit.service.record({ credential, operation: Operation.GetCredential, outcome: Outcome.Ok })
    expect(await record('bootstrap/db')).toBeUndefined()
    expect(await record('secret/team/root')).toBeUndefined()
    await expect(record('secret/team/other')).rejects.toMatchObject({ code: 'AUDIT_UNAVAILABLE' })
    await expect(record('my-bootstrap/db')).rejects.toMatchObject({ code: 'AUDIT_UNAVAILABLE' })
    isDown = false
  })
})

it('a pipeline that is started later takes over; one that is closed refuses what is strict', async () => {
  const { url } = await secretServer()
  const ask = async (): Promise<string> => (await fetch(url + VAULT_PATH, { headers: VAULT_HEADERS })).text()
  const [first, second] = [new RecordingAuditSink(), new RecordingAuditSink()]
  const one = createAudit({ sink: first, strict: true, instrument: 'on' })
  await one.start()
  await ask()
  await one.close()
  await expect(ask()).rejects.toMatchObject({ code: 'AUDIT_CLOSED' })
  const two = createAudit({ sink: second, strict: true, instrument: 'on' })
  onTestFinished(() => two.close())
  await two.start()
  expect(await ask()).toContain(SECRET)
  const accesses = (sink: RecordingAuditSink) =>
    sink.events.filter(({ operation }) => operation === 'get_credential')
  expect([accesses(first).length, accesses(second).length]).toEqual([1, 1])
})

describe('the options of instrumentation', () => {
  it.each([
    ['a host without a provider', 'bao.internal'],
    ['a provider that is none', 'valt=bao.internal'],
    ['a provider without a host', 'vault='],
  ])('%s is refused', async (_, instrumentHosts) => {
    const audit = createAudit({ sink: new RecordingAuditSink(), instrument: 'on', instrumentHosts })
    await expect(audit.start()).rejects.toMatchObject({
      code: 'AUDIT_INVALID_OPTION',
      field: 'instrumentHosts',
    })
  })

  it('an object that is no client is refused', () => {
    const audit = createAudit({ sink: new RecordingAuditSink() })
    expect(() => audit.instrument({})).toThrow(expect.objectContaining({ code: 'AUDIT_INVALID_OPTION' }))
  })
})
