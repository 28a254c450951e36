import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { taken } from '../../src/host/globals.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { connect } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'
import { openPipeline } from '../support/pipeline.js'
import { readTrail } from '../support/trail.js'
import { TrailServer } from '../support/trail-server.js'
import { waitUntil } from '../support/wait-until.js'

const applicationName = 'otel-audit check'

let trails: TrailServer
let url: string
let sink: PostgresAuditSink

beforeAll(async () => {
  trails = await TrailServer.start()
  await trails.server.query('create role writer login in role noetl_audit_writer')
})

afterAll(() => trails.close())

beforeEach(async () => {
  url = await trails.trail()
  sink = new PostgresAuditSink({ databaseUrl: asWriter(url), applicationName, answerTimeoutMs: 1000 })
})

afterEach(async () => {
  vi.restoreAllMocks()
  await sink.close()
  await waitUntil('its sessions to end', async () => (await trails.sessions(applicationName)).length === 0)
})

function asWriter(owner: string): string {
  const name = new URL(owner).pathname.slice(1)
  return trails.server.url(name, 'writer')
}

async function asOwner(...sql: readonly string[]): Promise<void> {
  const owner = await connect(url)
  for (const statement of sql) await owner.query(statement)
  await owner.end()
}

describe('a store that is fit', () => {
  test('has no findings, and no row afterwards', async () => {
    expect(await sink.check()).toEqual([])
    expect(await readTrail(url)).toEqual([])
  })

  test('is checked on a connection of its own, also while a batch is on its way', async () => {
    await sink.write(batchOf(anEvent()))
    const [result, findings] = await Promise.all([sink.write(batchOf(anEvent())), sink.check()])
    expect(result).toMatchObject({ status: 'committed' })
    expect(findings).toEqual([])
  })

  test('that only lacks this month’s partition gets it', async () => {
    const name = `secret_audit_y${new Date().getUTCFullYear()}m${String(new Date().getUTCMonth() + 1).padStart(2, '0')}`
    await asOwner(`drop table noetl.${name}`)
    expect(await sink.check()).toEqual([])
  })
})

describe('a finding', () => {
  test.each(['fsync', 'full_page_writes'])('%s is off', async (setting) => {
    await trails.server.query(`alter system set ${setting} = off`)
    await trails.server.query('select pg_reload_conf()')
    await waitUntil('findings', async () => (await sink.check()).length > 0)
    expect(await sink.check()).toEqual([
      { level: 'error', check: setting, message: expect.stringContaining('loses committed rows') },
    ])
    await trails.server.query(`alter system reset ${setting}`)
    await trails.server.query('select pg_reload_conf()')
    await waitUntil('the setting back', async () => (await sink.check()).length === 0)
  })

  test.each([-20_000, 20_000])('the clocks are %i ms apart', async (skew) => {
    const now = Date.now.bind(Date)
    vi.spyOn(taken, 'dateNow').mockImplementation(() => now() + skew)
    expect(await sink.check()).toEqual([
      { level: 'error', check: 'clock', message: expect.stringMatching(/(19|20)\.\d s away/) },
    ])
  })

  test('the role may not insert', async () => {
    await asOwner('revoke insert on noetl.secret_audit from noetl_audit_writer')
    expect(await sink.check()).toEqual([
      { level: 'error', check: 'write', message: expect.stringContaining('42501') },
    ])
  })
})

describe('a store that cannot be checked', () => {
  test('because there are no tables', async () => {
    await asOwner('drop schema noetl cascade')
    await expect(sink.check()).rejects.toMatchObject({
      code: 'AUDIT_SCHEMA',
      message: expect.stringContaining('otel-audit migrate'),
    })
  })

  test('because it is closed', async () => {
    await sink.close()
    await expect(sink.check()).rejects.toMatchObject({ code: 'AUDIT_CLOSED' })
  })

  test('because it does not answer', async () => {
    await trails.server.pause()
    await expect(sink.check()).rejects.toMatchObject({ code: 'AUDIT_UNAVAILABLE', cause: expect.any(Error) })
    trails.server.resume()
  })

  test('because it is away', async () => {
    await trails.server.stop()
    await expect(sink.check()).rejects.toMatchObject({
      code: 'AUDIT_UNAVAILABLE',
      cause: { code: 'ECONNREFUSED' },
    })
    await trails.server.start()
  })
})

test('a standby is none to write to: strict callers are told at once, and all is written when it is promoted', async () => {
  const pipeline = openPipeline(asWriter(url))
  await pipeline.ledger.strict().answer
  await trails.server.stop()
  await writeFile(join(trails.server.dataDirectory, 'standby.signal'), '')
  await trails.server.start()
  expect(await sink.check()).toEqual([
    { level: 'error', check: 'primary', message: expect.stringContaining('standby') },
  ])
  const waiting = pipeline.ledger.async()
  expect(await pipeline.ledger.strict().answer).toMatchObject({
    code: 'AUDIT_UNAVAILABLE',
    row: 'not-stored',
    message: expect.stringContaining('standby; point DATABASE_URL at the primary'),
  })
  await trails.server.query('select pg_promote()')
  expect(await waiting.fate).toBe('stored')
  expect(await pipeline.ledger.strict().answer).toHaveProperty('committedAt')
  await pipeline.finish(url)
})
