import { PostgresAuditSink } from 'otel-audit'
import {
  type CoverageOptions,
  type CoveredClient,
  type FleetCoverage,
  Trail,
  type TrailFilter,
} from 'otel-audit/query'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { AuditFields } from '../../src/event/event.js'
import { coverageRow, lifecycleRow } from '../../src/event/self-rows.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'

const HOUR = 3_600_000
const NOW = Date.now()

let database: TestDatabase
let trail: Trail
let sink: PostgresAuditSink

beforeAll(async () => {
  database = await migratedDatabase()
  trail = new Trail({ databaseUrl: database.url })
  sink = new PostgresAuditSink({ databaseUrl: database.url })
})

beforeEach(async () => {
  const client = await connect(database.url)
  await client.query(`alter table noetl.secret_audit disable trigger all; delete from noetl.secret_audit`)
  await client.end()
})

afterAll(async () => {
  await sink.close()
  await trail.close()
  await database.drop()
})

interface Process {
  readonly service?: string
  readonly instance?: string
}

/** A row that a process wrote some hours ago. */
async function wrote(
  hoursAgo: number,
  fields: AuditFields,
  { service, instance }: Process = {},
): Promise<void> {
  const occurredAt = (NOW - hoursAgo * HOUR) * 1000
  const event = anEvent(fields, {
    occurredAt,
    auditId: anEvent({}).auditId - (BigInt(Math.round(hoursAgo * HOUR)) << 22n),
    serviceName: service ?? 'orders',
    serviceInstanceId: instance ?? 'i-1',
  })
  await sink.write(batchOf({ ...event }))
}

const stated = (
  hoursAgo: number,
  client: string,
  state: 'hooked' | 'not_hooked' | 'wire' | 'observed',
  process: Process & { readonly since?: string; readonly reason?: string; readonly pipeline?: string } = {},
): Promise<void> => {
  const since = process.since ?? new Date(NOW - hoursAgo * HOUR).toISOString()
  const hook = state === 'hooked' ? 'send' : undefined
  const { pipeline } = process
  return wrote(
    hoursAgo,
    {
      ...coverageRow({ client, state, hook, node: 'v24.1.0', since, reason: process.reason, pipeline }),
      executionId: undefined,
    },
    process,
  )
}

const covered = (
  filter: Pick<TrailFilter, 'service_name' | 'limit'> = {},
  options: CoverageOptions = {},
): Promise<FleetCoverage> => trail.coverage(filter, options)

const brief = ({ clients }: FleetCoverage): string[] =>
  clients.map(({ service_name, client, version, state }) => `${service_name} ${client} ${version} ${state}`)

test('is what each process said last of each of its clients', async () => {
  await stated(3, 'node-vault@0.10.2', 'hooked')
  await stated(2, 'node-vault@0.10.2', 'not_hooked', { reason: 'its probe did not come back' })
  await stated(2, '@aws-sdk/client-ssm@3.1162.0', 'hooked')
  await stated(1, 'wire:vault', 'wire', { reason: 'GET /v1/…/data/…' })
  const { clients, truncated } = await covered()
  const known: Partial<CoveredClient> = {
    service_name: 'orders',
    processes: 1,
    since: expect.any(String) as string,
  }
  expect(clients).toMatchObject([
    {
      ...known,
      client: 'node-vault',
      version: '0.10.2',
      state: 'not_hooked',
      hook: null,
      reason: 'its probe did not come back',
    },
    {
      ...known,
      client: '@aws-sdk/client-ssm',
      version: '3.1162.0',
      state: 'hooked',
      hook: 'send',
      reason: null,
    },
    { ...known, client: 'wire:vault', version: null, state: 'wire' },
  ])
  expect(truncated).toBe(false)
  expect(await covered({ limit: 1 })).toMatchObject({ clients: [{}], truncated: true })
})

test('is of another time, when that is asked for', async () => {
  await stated(5, 'node-vault@0.10.2', 'hooked')
  await stated(2, 'node-vault@0.10.2', 'not_hooked')
  const at = (hoursAgo: number) => covered({}, { at: new Date(NOW - hoursAgo * HOUR) })
  expect(brief(await at(3))).toEqual(['orders node-vault 0.10.2 hooked'])
  expect(brief(await at(1))).toEqual(['orders node-vault 0.10.2 not_hooked'])
  expect(brief(await at(6))).toEqual([])
  expect((await covered({}, { at: '-3h' })).clients).toHaveLength(1)
})

test('counts the processes of a service, and leaves out those that have stopped', async () => {
  const stop = lifecycleRow('stopped', { version: '1', mode: 'strict' })
  const since = '2026-11-01T10:00:00.000Z'
  await stated(4, 'node-vault@0.10.2', 'hooked', { instance: 'i-1', since })
  await stated(3, 'node-vault@0.10.2', 'hooked', { instance: 'i-2' })
  await stated(3, 'node-vault@0.10.2', 'wire', { instance: 'i-3' })
  await stated(3, 'node-vault@0.10.2', 'hooked', { instance: 'i-1', service: 'billing' })
  await wrote(2, stop, { instance: 'i-3' })
  expect((await covered({ service_name: 'orders' })).clients).toMatchObject([
    { state: 'hooked', processes: 2, since: '2026-11-01T10:00:00.000000Z' },
  ])
  expect(brief(await covered())).toEqual([
    'billing node-vault 0.10.2 hooked',
    'orders node-vault 0.10.2 hooked',
  ])
  // One that was started again says so again.
  await stated(1, 'node-vault@0.10.2', 'hooked', { instance: 'i-3' })
  expect((await covered({ service_name: 'orders' })).clients).toMatchObject([{ processes: 3 }])
  const before = await covered({ service_name: 'orders' }, { at: new Date(NOW - 2.5 * HOUR) })
  expect(before.clients.map(({ state }) => state)).toEqual(['hooked', 'wire'])
})

test('is of processes that have said so within a day', async () => {
  await stated(26, 'node-vault@0.10.2', 'hooked', { instance: 'gone' })
  await stated(24.5, 'node-vault@0.10.2', 'hooked', { instance: 'here' })
  expect((await covered()).clients).toMatchObject([{ processes: 1 }])
})

test('takes nothing for coverage that only looks like it', async () => {
  await wrote(1, { credential: 'node-vault@0.10.2', operation: 'get_credential', outcome: 'hooked' })
  await stated(1, 'node-vault@0.10.2', 'hooked', { since: 'whenever' })
  expect((await covered()).clients).toMatchObject([{ processes: 1, since: null }])
})

test('refuses a time that is not one', async () => {
  await expect(covered({}, { at: 'yesterday' })).rejects.toMatchObject({
    code: 'AUDIT_INVALID_QUERY',
    field: 'at',
  })
})

test('of an instance with several pipelines, as one with threads, is that of each of them until it has stopped', async () => {
  await stated(4, 'node-vault@0.10.2', 'hooked', { pipeline: 'of-the-process' })
  await stated(3, 'node-vault@0.10.2', 'not_hooked', { pipeline: 'of-a-thread' })
  expect(brief(await covered())).toEqual([
    'orders node-vault 0.10.2 not_hooked',
    'orders node-vault 0.10.2 hooked',
  ])
  await wrote(2, lifecycleRow('stopped', { version: '1', mode: 'strict', pipeline: 'of-a-thread' }))
  expect(brief(await covered())).toEqual(['orders node-vault 0.10.2 hooked'])
})
