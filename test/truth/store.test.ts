import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { HealthFinding } from '../../src/contract/sink.js'
import type { Connection } from '../../src/postgres/connection.js'
import { openSession } from '../../src/postgres/session.js'
import { parseAllowed } from '../../src/postgres/store/allowed.js'
import { inspectStore } from '../../src/postgres/store/inspection.js'
import { judgeStore } from '../../src/postgres/store/judge.js'
import { migratedDatabase, type TestDatabase } from '../support/database.js'
import { ALLOWABLE, HARMLESS, PARTITION_FOR_CASES, REFUSED, WARNED } from './store-table.js'

let database: TestDatabase
let session: Connection

beforeAll(async () => {
  database = await migratedDatabase()
  session = await openSession('write', {
    databaseUrl: database.url,
    applicationName: 'otel-audit store',
    answerTimeoutMs: 60_000,
    synchronousCommit: 'on',
  })
})

afterAll(async () => {
  await session.close()
  await database.drop()
})

/** What is found when this has been done. It is undone afterwards. */
function found(sql: string, allowed: readonly string[] = []): Promise<HealthFinding[]> {
  return session.run(async (client) => {
    await client.query(`begin; ${PARTITION_FOR_CASES}; ${sql}`)
    try {
      return judgeStore(await inspectStore(client, 'noetl'), parseAllowed(allowed.join('\n')))
    } finally {
      await client.query('rollback')
    }
  })
}

const lineOf = ({ message }: HealthFinding): string[] => {
  const line = /allowInStore: (.*)$/.exec(message)?.[1]
  return line === undefined ? [] : [line]
}

describe('harmless', () => {
  test('is a store as it was made', async () => {
    expect(await found('')).toEqual([])
  })

  test.each(HARMLESS)('is %s', async (_, sql) => {
    expect(await found(sql)).toEqual([])
  })

  test('is a CHECK of a migration: built-in functions without effects, and a name of ours', async () => {
    const sql = `alter table noetl.secret_audit
      add constraint secret_audit_bytes check (octet_length(notes) <= 4096 and octet_length(credential) between 0 and 2048),
      add constraint secret_audit_near check (audit_id < (extract(epoch from clock_timestamp()) * 1000)::bigint << 22) not valid;
      alter table noetl.secret_audit_block add constraint secret_audit_block_bytes check (octet_length(body) < 65536)`
    expect(await found(sql)).toEqual([])
  })
})

test.each(WARNED)('a warning is %s', async (_, sql) => {
  expect((await found(sql)).map(({ level }) => level)).toEqual(['warning'])
})

describe('refused', () => {
  test.each(REFUSED)('is %s, and nothing allows it', async (_, sql) => {
    const findings = await found(sql)
    expect(findings.some(({ level }) => level === 'error')).toBe(true)
    const again = await found(sql, findings.flatMap(lineOf))
    expect(again.some(({ level }) => level === 'error')).toBe(true)
  })

  test.each(ALLOWABLE)('is %s, unless a line allows just that', async (_, sql) => {
    const findings = await found(sql)
    expect(findings.map(({ level }) => level)).toEqual(['error'])
    const lines = findings.flatMap(lineOf)
    expect(lines).toHaveLength(1)
    expect(await found(sql, lines)).toEqual([])
    expect(await found(sql, [`${lines[0]}0`])).toEqual(findings)
  })

  test.each([
    ['the source of a trigger’s function', `begin new.notes := 'x'; return new; end`],
    ['and every other', `begin perform 1; return new; end`],
  ])('is what was allowed with another source: %s', async (_, source) => {
    const sql = (body: string): string => `
      create function public.own() returns trigger language plpgsql as $own$${body}$own$;
      create trigger own before insert on noetl.secret_audit for each row execute function public.own()`
    const lines = (await found(sql('begin return new; end'))).flatMap(lineOf)
    expect(await found(sql('begin return new; end'), lines)).toEqual([])
    expect(await found(sql(source), lines)).toHaveLength(1)
  })
})

test('docs/schema.md has these lines, and no other', () => {
  const page = readFileSync(new URL('../../docs/schema.md', import.meta.url), 'utf8')
  const lines = [...page.matchAll(/^\| (.+?) \| (harmless|warning|refused|refused, unless allowed) \|$/gm)]
  const table = lines.map(([, what, how]) => [what, how])
  const expected = [
    ...HARMLESS.map(([what]) => [what, 'harmless']),
    ...WARNED.map(([what]) => [what, 'warning']),
    ...REFUSED.map(([what]) => [what, 'refused']),
    ...ALLOWABLE.map(([what]) => [what, 'refused, unless allowed']),
  ]
  expect(table).toEqual(expected)
})
