import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { decodeEvent } from '../../src/event/decode.js'
import { encodeEvent } from '../../src/event/digest.js'
import { isShared, unshared } from '../../src/host/own.js'
import { resolveOptions } from '../../src/options/resolve.js'
import { parseFilter } from '../../src/query/filter.js'
import { denied, recording } from '../service/recording.js'
import { connect, migratedDatabase } from '../support/database.js'
import { anEvent } from '../support/events.js'

// What somebody puts on `Object.prototype` is in every object, and was said by no caller.

const ACCESS = { credential: 'orders-db', operation: 'get_credential' } as const
const shared = Object.prototype as Record<string, unknown>
const added: string[] = []

function share(name: string, value: unknown): void {
  added.push(name)
  shared[name] = value
}

afterEach(() => {
  for (const name of added.splice(0)) delete shared[name]
})

const names = [
  'deepClone',
  'notes',
  'workerId',
  'attributes',
  'actorType',
  'outcome',
  'occurredAt',
  'mode',
  'outcomeOf',
]
const values = [() => 'shared', 'shared', 7, { a: 'shared' }]

describe.each(names)('%s on Object.prototype', (name) => {
  it.each(values)('is in no record: %s', async (value) => {
    const { service, rows } = recording()
    share(name, value)
    const secret = await service.guard(ACCESS, ({ amend }) => {
      amend({ kekVersion: 'v1' })
      return 'the-secret-0123'
    })
    service.recordAsync({ ...ACCESS, outcome: 'ok', attributes: { own: 1 } })
    const receipt = await service.recordStrict({ ...ACCESS, outcome: 'ok' }, {})
    const failing = service.guard(ACCESS, () => {
      throw new Error('no answer')
    })
    await expect(failing).rejects.toThrow('no answer')
    const stored = await rows()
    for (const key of added.splice(0)) delete shared[key]
    expect(secret).toBe('the-secret-0123')
    expect(receipt.committedAt).toBeGreaterThan(0)
    expect(stored.map(({ outcome }) => outcome).sort()).toEqual(['ok', 'ok', 'ok', 'other'])
    for (const event of stored) {
      expect(event).toMatchObject({ notes: null, workerId: null, actorType: null, credential: 'orders-db' })
      expect([null, '{"own":1}']).toContain(event.attributesJson)
      expect(Math.abs(event.occurredAt / 1000 - Date.now())).toBeLessThan(3_600_000)
    }
  })
})

/** What objects of ours, of the driver and of the protocol are called: none of it is taken from the prototype. */
const INNER_NAMES =
  'name,values,types,valueMapper,rowMode,alone,tag,kind,status,committedAt,place,held,fault,timeoutMs'

it.each(['before', 'after'])(
  'names of inner objects, put there %s the start: each record is stored',
  async (when) => {
    const database = await migratedDatabase()
    const app = join(import.meta.dirname, 'apps', 'shared.mjs')
    const env = { PATH: process.env['PATH'], U: database.url, NODE_ENV: 'development' }
    const { stdout } = await promisify(execFile)(process.execPath, [app, when, INNER_NAMES], { env })
    const said = INNER_NAMES.split(',').map((name) => `${name} receipt`)
    expect(stdout.trim().split('\n')).toEqual(said)
    const client = await connect(database.url)
    const { rows } = await client.query(
      `select count(*)::int as rows, min(credential) as first, max(credential) as last from noetl.secret_audit where operation = 'get_credential'`,
    )
    expect(rows).toEqual([{ rows: said.length, first: 'orders-db', last: 'orders-db' }])
    await client.end()
    await database.drop()
  },
)

describe('what else is shared', () => {
  it("a mode is not the caller's, and a policy not the owner's", async () => {
    share('mode', 'async')
    share('strict', false)
    const { service } = recording({ strict: true }, denied)
    await expect(service.guard(ACCESS, () => 'the-secret-0123', {})).rejects.toMatchObject({
      code: 'AUDIT_UNAVAILABLE',
    })
  })

  it('an option is not given, and a variable not set', () => {
    share('strict', true)
    share('batchRows', 1)
    share('NOETL_SECRET_AUDIT_QUEUE_ROWS', '7')
    const { strict, batchRows, queueRows } = resolveOptions({}, { DATABASE_URL: 'postgres://u@h/d' })
    expect([strict, batchRows, queueRows]).toEqual([false, 512, 16_384])
  })

  it('a filter is not asked for', () => {
    share('deepClone', () => undefined)
    share('actor_id', 'mallory')
    expect(parseFilter({ credential: 'a' }).written).toEqual({ credential: 'a' })
  })

  it('a field is not in the spool', () => {
    const event = anEvent({ notes: 'n' })
    share('deepClone', () => undefined)
    share('workerId', 'mallory')
    expect(decodeEvent(encodeEvent(event))).toStrictEqual(event)
  })
})

describe('what a class has', () => {
  class Fields {
    readonly operation = 'get_credential'
    readonly outcome = 'ok'
    get credential(): string {
      return 'orders-db'
    }
  }

  it('counts as given', async () => {
    share('notes', 'shared')
    const { service, row } = recording()
    await service.recordStrict(new Fields())
    expect(await row()).toMatchObject({ credential: 'orders-db', notes: null })
  })

  it('is refused where it is not a field, as ever', () => {
    share('notes', 'shared')
    const { service } = recording()
    const inherited = Object.create({ colour: 'red' }) as object
    expect(() =>
      service.recordAsync(Object.assign(inherited, { ...ACCESS, outcome: 'ok' }) as never),
    ).toThrow('colour')
  })

  it('is told apart from what is shared', () => {
    share('x', 1)
    expect([
      isShared({}, 'x'),
      isShared({ x: 2 }, 'x'),
      isShared(Object.create({ x: 3 }) as object, 'x'),
    ]).toEqual([true, false, false])
    expect({ ...unshared(Object.assign(Object.create({ y: 1 }) as object, { z: 2 })) }).toEqual({
      z: 2,
      y: 1,
    })
  })
})
