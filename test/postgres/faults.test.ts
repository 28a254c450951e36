import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AuditError } from '../../src/errors.js'
import {
  connectionFault,
  endsSession,
  fault,
  isLasting,
  isMissingPartition,
  isServerError,
  verdictOf,
  withoutRowContents,
} from '../../src/postgres/faults.js'
import { inspect } from 'node:util'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { idAt } from './adopt/original-table.js'

const CANARY = 'canary-9f2c'
const INSERT = `insert into noetl.secret_audit (audit_id, credential, operation, outcome, notes) values`

let database: TestDatabase
let client: Client

beforeAll(async () => {
  database = await migratedDatabase()
  client = await connect(database.url)
  await client.query(`
    alter table noetl.secret_audit add constraint own_check check (notes <> '${CANARY} 1');
    create function own() returns trigger language plpgsql as $$ begin
      if new.notes like '${CANARY} raise %' then
        raise exception 'refused: %', new.notes
          using errcode = split_part(new.notes, ' ', 3), detail = new.notes, hint = new.notes;
      end if;
      return new;
    end $$;
    create trigger own before insert on noetl.secret_audit for each row execute function own();
    create table own_rows (a int)`)
})

afterAll(async () => {
  await client.end()
  await database.drop()
})

async function errorOf(...sql: string[]): Promise<unknown> {
  try {
    for (const statement of sql) await client.query(statement)
  } catch (error) {
    return error
  } finally {
    await client.query('rollback; reset role; reset statement_timeout; reset lock_timeout; deallocate all')
  }
  throw new Error('nothing went wrong')
}

const now = idAt(Date.now())
const raise = (code: string): string[] => [`${INSERT} (${now}, 'c', 'o', 'ok', '${CANARY} raise ${code}')`]

describe('what an answer of the server means', () => {
  test.each<[string, string, string, string[]]>([
    [
      '22001',
      'data',
      'a value that does not fit',
      [`select '${CANARY}'::varchar(2)::char, ('${CANARY}'::text)::int`],
    ],
    ['22012', 'data', 'division by zero', ['select 1 / 0']],
    ['23502', 'data', 'a column that may not be null', [`${INSERT} (${now}, 'c', null, 'ok', '${CANARY}')`]],
    ['23514', 'data', 'a check constraint', [`${INSERT} (${now}, 'c', 'o', 'ok', '${CANARY} 1')`]],
    ['23514', 'data', 'no partition', [`${INSERT} (1, 'c', 'o', 'ok', '${CANARY}')`]],
    [
      '23505',
      'duplicate',
      'a taken id',
      ['begin', ...Array.from({ length: 2 }, () => `${INSERT} (${now}, 'c', 'o', 'ok', '${CANARY}')`)],
    ],
    [
      '25006',
      'lasting',
      'a transaction that may only read',
      ['begin read only', `${INSERT} (${now}, 'c', 'o', 'ok', '')`],
    ],
    ['42501', 'lasting', 'no privilege', ['set role pg_monitor', 'select from noetl.secret_audit']],
    ['42P01', 'lasting', 'no table', ['select from noetl.nothing']],
    ['42703', 'lasting', 'no column', ['select nothing from noetl.secret_audit']],
    ['42883', 'lasting', 'no function', ['select noetl.nothing()']],
    [
      '57014',
      'retry',
      'a statement that takes too long',
      ['set statement_timeout = 1', 'select pg_sleep(10)'],
    ],
    ['26000', 'retry', 'a prepared statement that is gone', ['execute gone']],
    [
      '0A000',
      'retry',
      'a plan for a table that has changed',
      ['prepare p as select * from own_rows', 'execute p', 'alter table own_rows add b int', 'execute p'],
    ],
    [
      '54000',
      'data',
      'a row too wide for an index',
      [`select repeat('x', 2000000000) || repeat('x', 2000000000)`],
    ],
    ['P0001', 'data', 'raised by a trigger', raise('P0001')],
    ['AU001', 'data', 'raised with a code of its own', raise('AU001')],
    ['42501', 'data', 'raised as a lack of privilege, by a trigger', raise('42501')],
    ['40001', 'retry', 'raised as a serialization failure, by a trigger', raise('40001')],
    ['38000', 'data', 'raised by an external routine', raise('38000')],
  ])('%s: %s (%s)', async (code, verdict, what, sql) => {
    const error = await errorOf(...sql)
    if (!isServerError(error)) throw error
    // Which of the data errors, and of the limits, depends on the server's version.
    expect(error.code.slice(0, 2)).toBe(code.slice(0, 2))
    expect(verdictOf(error)).toBe(verdict)
    expect(endsSession(error)).toBe(false)
    expect(isMissingPartition(error)).toBe(what === 'no partition')
  })

  test('a lock that is not to be had, and a deadlock: retry', async () => {
    const [a, b] = [await connect(database.url), await connect(database.url)]
    await client.query('create table one (); create table two ()')
    await a.query('begin; lock table one')
    await b.query(`begin; set local deadlock_timeout = '50ms'; lock table two`)
    const blocked = await errorOf('set lock_timeout = 1', 'begin', 'lock table one')
    expect(blocked).toMatchObject({ code: '55P03' })
    if (isServerError(blocked)) expect(verdictOf(blocked)).toBe('retry')
    const first = a.query('lock table two').catch((error: unknown) => error)
    const second = b.query('lock table one').catch((error: unknown) => error)
    const dead = (await Promise.all([first, second])).find(isServerError)
    expect(dead?.code).toBe('40P01')
    if (dead !== undefined) expect(verdictOf(dead)).toBe('retry')
    await a.end()
    await b.end()
  })

  test('a session that is ended says nothing about its statement', async () => {
    const victim = await connect(database.url)
    const { rows } = await victim.query('select pg_backend_pid() as pid')
    const ending = victim.query('select pg_sleep(60)').catch((error: unknown) => error)
    await expect
      .poll(async () => (await client.query('select pg_terminate_backend($1)', [rows[0].pid])).rowCount)
      .toBe(1)
    const error = await ending
    if (!isServerError(error)) throw error
    expect(error.code).toBe('57P01')
    expect(endsSession(error)).toBe(true)
    await victim.end().catch(() => {})
  })

  test('before anything is sent: what a person must mend, and what may pass', async () => {
    const loginError = async (change: (url: URL) => void): Promise<unknown> => {
      const url = new URL(database.url)
      change(url)
      return connect(url.href).catch((error: unknown) => error)
    }
    const noDatabase = await loginError((url) => (url.pathname = '/no_such_database'))
    expect(noDatabase).toMatchObject({ code: '3D000' })
    expect(isLasting(noDatabase)).toBe(true)
    const noUser = await loginError((url) => (url.username = 'no_such_user'))
    expect(noUser).toMatchObject({ code: expect.stringMatching(/^28/) })
    expect(isLasting(noUser)).toBe(true)
    const noServer = await loginError((url) => (url.port = '1'))
    expect(noServer).toMatchObject({ code: 'ECONNREFUSED' })
    expect(isLasting(noServer)).toBe(false)
    expect(isServerError(noServer)).toBe(false)

    for (const error of [noDatabase, noUser, noServer]) {
      expect(connectionFault(error).message).toMatch(/^no connection: /)
    }
    const inside = await errorOf('select from noetl.nothing')
    expect(connectionFault(inside).message).toMatch(/^relation "noetl.nothing" does not exist/)
    const schema = new AuditError('AUDIT_SCHEMA', 'the tables are missing')
    expect(connectionFault(schema)).toMatchObject({
      message: 'AUDIT_SCHEMA: the tables are missing',
      cause: { code: 'AUDIT_SCHEMA' },
    })
    expect(connectionFault(schema).cause).toBe(schema)
  })
})

describe('what leaves the sink of an error', () => {
  test.each([
    ['a check constraint', `${INSERT} (${now}, 'c', 'o', 'ok', '${CANARY} 1')`],
    ['null', `${INSERT} (${now}, 'c', null, 'ok', '${CANARY}')`],
    ['bad JSON', `select '{"a": "${CANARY}"'::json`],
    ['a bad number', `select '${CANARY}'::int`],
    ...['P0001', '42501', '57014', 'AU001', '40001', '55P03', 'XX000', '38000'].map((code) => [
      `raised as ${code}`,
      raise(code)[0],
    ]),
  ])('%s: SQLSTATE, and nothing of the row', async (_, sql) => {
    const error = await errorOf(sql ?? '')
    expect(inspect(error, { depth: 9 }), 'the canary has to be there to be hidden').toContain(CANARY)
    const told = fault('AUDIT_REJECTED', 'refused', error)
    const code = (error as { code: string }).code
    expect(told.cause).toMatchObject({ code })
    expect(told.message).toContain(code)
    expect(inspect(told, { depth: 9, showHidden: true })).not.toContain(CANARY)
  })

  test('the primary message, where it is the server’s own', async () => {
    const error = await errorOf('select from noetl.nothing')
    expect(withoutRowContents(error).message).toBe('relation "noetl.nothing" does not exist (SQLSTATE 42P01)')
  })

  test('the message of a function of ours', async () => {
    await client.query(`create table noetl.secret_audit_y2090m01 ()`)
    const error = await errorOf(`select noetl.secret_audit_create_partition('2090-01-01')`)
    expect(withoutRowContents(error).message).toContain('is not the partition of its month')
  })

  test('anything else: message and code', () => {
    const lost = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', more: CANARY })
    expect(withoutRowContents(lost)).toEqual(
      Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }),
    )
    const all = new AggregateError([
      new Error('connect ECONNREFUSED ::1:1'),
      new Error('connect ECONNREFUSED 127.0.0.1:1'),
    ])
    expect(withoutRowContents(all).message).toBe(
      'connect ECONNREFUSED ::1:1; connect ECONNREFUSED 127.0.0.1:1',
    )
    expect(withoutRowContents('odd').message).toBe('odd')
    expect(withoutRowContents(undefined).message).toBe('undefined')
  })
})
