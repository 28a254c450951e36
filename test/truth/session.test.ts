import { Socket } from 'node:net'
import { type Client, defaults, types } from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { openSession } from '../../src/postgres/session.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { Trail } from '../../src/query/trail.js'
import { connect, emptyDatabase, migratedDatabase, type TestDatabase } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'
import { writerLogin } from '../support/pipeline.js'
import { messageOf, WireProxy } from '../support/wire-proxy.js'

// What a session is like, whatever anybody else has set.

let database: TestDatabase
let owner: Client

beforeAll(async () => {
  database = await migratedDatabase()
  owner = await connect(database.url)
})

afterAll(async () => {
  await owner.end()
  await database.drop()
})

const PURPOSES = ['write', 'query', 'verify', 'migrate'] as const
type Purpose = (typeof PURPOSES)[number]

const open = (purpose: Purpose, databaseUrl = database.url) =>
  openSession(purpose, {
    databaseUrl,
    applicationName: `truth ${purpose}`,
    answerTimeoutMs: 5000,
    synchronousCommit: 'on',
    readOnly: false,
  })

async function settings(
  purpose: Purpose,
  names: readonly string[],
  url?: string,
): Promise<Record<string, unknown>> {
  const session = await open(purpose, url)
  const list = names.map((name) => `pg_catalog.current_setting('${name}') as "${name}"`)
  const { rows } = await session.run((client) => client.query(`select ${list.join(', ')}`))
  await session.close()
  return rows[0] as Record<string, unknown>
}

async function withRole(set: readonly string[], work: (url: string) => Promise<void>): Promise<void> {
  const login = await writerLogin(database.url)
  const name = new URL(login.url).username
  await owner.query(`grant noetl_audit_reader to ${name}`)
  for (const setting of set) await owner.query(`alter role ${name} set ${setting}`)
  try {
    await work(login.url)
  } finally {
    await login.drop()
  }
}

describe.each(PURPOSES)('%s: what others set', (purpose) => {
  test('for the role decides nothing', async () => {
    const hostile = {
      search_path: 'public',
      client_min_messages: 'error',
      standard_conforming_strings: 'off',
      datestyle: `'SQL, DMY'`,
      intervalstyle: 'iso_8601',
      timezone: `'Asia/Tokyo'`,
      bytea_output: 'escape',
      row_security: 'on',
      extra_float_digits: '-15',
      transform_null_equals: 'on',
      quote_all_identifiers: 'on',
      default_transaction_deferrable: 'on',
      transaction_timeout: `'1min'`,
      idle_session_timeout: `'1min'`,
      lock_timeout: `'1min'`,
    }
    const names = Object.keys(hostile)
    await withRole(
      Object.entries(hostile).map(([name, value]) => `${name} = ${value}`),
      async (url) => {
        expect(await settings(purpose, names, url)).toEqual({
          search_path: 'pg_catalog, pg_temp',
          client_min_messages: 'warning',
          standard_conforming_strings: 'on',
          datestyle: 'ISO, MDY',
          intervalstyle: 'postgres',
          timezone: 'UTC',
          bytea_output: 'hex',
          row_security: 'off',
          extra_float_digits: '1',
          transform_null_equals: 'off',
          quote_all_identifiers: 'off',
          default_transaction_deferrable: 'off',
          transaction_timeout: '0',
          idle_session_timeout: '0',
          lock_timeout: purpose === 'write' ? expect.stringMatching(/^[1-9]/) : '0',
        })
      },
    )
  })

  test.each([
    [
      'statement_timeout=1&lock_timeout=1&idle_in_transaction_session_timeout=1&query_timeout=1',
      'as parameters of the URL',
    ],
    [
      `options=${encodeURIComponent('-c search_path=public -c client_min_messages=error -c lock_timeout=1')}`,
      'as options of the URL',
    ],
  ])('%s decides nothing', async (parameters) => {
    const found = await settings(
      purpose,
      ['search_path', 'lock_timeout', 'client_min_messages'],
      `${database.url}?${parameters}`,
    )
    expect(found).toEqual({
      search_path: 'pg_catalog, pg_temp',
      lock_timeout: purpose === 'write' ? expect.stringMatching(/^[1-9]/) : '0',
      client_min_messages: 'warning',
    })
  })

  test('for the driver decides nothing, and is there afterwards', async () => {
    const before = { ...defaults }
    const parser = types.getTypeParser(25)
    const changed = {
      binary: true,
      user: 'nobody_at_all',
      query_timeout: 1,
      statement_timeout: 1,
      options: '-c search_path=public',
      password: 'x',
      port: 1,
      host: 'nowhere.invalid',
      // Of these the only one that nothing else says: neither the URL nor the environment.
      ssl: true,
    }
    Object.assign(defaults, changed)
    types.setTypeParser(25, () => 'not the value')
    // `defaults.parseInt8 = true` comes to this; the property itself can only be written.
    const eight = types.getTypeParser(20)
    const ofTheApplication = (): number => 8
    types.setTypeParser(20, ofTheApplication)
    try {
      expect(await settings(purpose, ['search_path'])).toEqual({ search_path: 'pg_catalog, pg_temp' })
      expect(defaults).toMatchObject(changed)
      expect(Object.keys(defaults)).toEqual(Object.keys(before))
      expect(types.getTypeParser(20)).toBe(ofTheApplication)
    } finally {
      Object.assign(defaults, before)
      types.setTypeParser(25, parser)
      types.setTypeParser(20, eight)
    }
  })

  test.each([
    'session_replication_role = replica',
    'zero_damaged_pages = on',
    'ignore_checksum_failure = on',
  ])('is refused by name where a read would lie: %s', async (setting) => {
    await withRole([setting], async (url) => {
      await expect(open(purpose, url)).rejects.toMatchObject({
        code: 'AUDIT_SESSION',
        field: setting.split(' ')[0],
        remedy: expect.stringContaining('ALTER ROLE'),
      })
    })
  })
})

test('options of the URL that a pooler finds its way by survive, before ours', async () => {
  const url = new URL(database.url)
  url.searchParams.set('options', '-c otel_audit.endpoint=ep-1')
  const found = await settings('write', ['otel_audit.endpoint', 'search_path'], url.href)
  expect(found).toEqual({ 'otel_audit.endpoint': 'ep-1', search_path: 'pg_catalog, pg_temp' })
})

test('so do those of PGOPTIONS', async () => {
  process.env['PGOPTIONS'] = '-c otel_audit.endpoint=ep-2 -c client_min_messages=error'
  try {
    const found = await settings('write', ['otel_audit.endpoint', 'client_min_messages'])
    expect(found).toEqual({ 'otel_audit.endpoint': 'ep-2', client_min_messages: 'warning' })
  } finally {
    delete process.env['PGOPTIONS']
  }
})

test.each([
  ['off', 'on'],
  ['local', 'on'],
  ['remote_write', 'on'],
  ['on', 'on'],
  ['remote_apply', 'remote_apply'],
])(
  'a commit promises at least what it must, and no less than what was asked for: %s → %s',
  async (set, expected) => {
    await withRole([`synchronous_commit = ${set}`], async (url) => {
      expect(await settings('write', ['synchronous_commit'], url)).toEqual({ synchronous_commit: expected })
    })
  },
)

test.each(['LATIN1', 'WIN1252', 'SQL_ASCII'])(
  'a database in %s is refused where rows are to be stored',
  async (encoding) => {
    const latin = `${database.name}_${encoding.toLowerCase()}`
    await owner.query(`create database ${latin} encoding '${encoding}' locale 'C' template template0`)
    const url = new URL(database.url)
    url.pathname = `/${latin}`
    for (const purpose of ['write', 'migrate'] as const) {
      await expect(open(purpose, url.href)).rejects.toMatchObject({
        code: 'AUDIT_SESSION',
        field: 'server_encoding',
      })
    }
    await owner.query(`drop database ${latin}`)
  },
)

test.each(PURPOSES)(
  '%s: the system asks whether the server is there, before NAT forgets a quiet flow',
  async (purpose) => {
    const asked = vi.spyOn(Socket.prototype, 'setKeepAlive')
    try {
      await (await open(purpose)).close()
      const delays = asked.mock.calls.map(([isOn, ms]) => (isOn === true ? ms : undefined))
      expect(delays.length).toBeGreaterThan(0)
      for (const ms of delays) expect(ms !== undefined && ms > 0 && ms <= 60_000, String(ms)).toBe(true)
    } finally {
      asked.mockRestore()
    }
  },
)

describe('operators of others', () => {
  test('do not run in our sessions', async () => {
    const other = await emptyDatabase()
    await other.drop()
    await owner.query(`
      create table public.heard (who text);
      create function public.ev(bigint, interval) returns interval language plpgsql security definer as $$ begin
        insert into public.heard values ('writer'); return make_interval(secs => 0); end $$;
      create function public.ev(numeric, int) returns numeric language plpgsql security definer as $$ begin
        insert into public.heard values ('reader'); return $1 operator(pg_catalog.*) $2::numeric; end $$;
      create operator public.* (function = public.ev, leftarg = bigint, rightarg = interval);
      create operator public.* (function = public.ev, leftarg = numeric, rightarg = int)`)
    const sink = new PostgresAuditSink({ databaseUrl: database.url })
    expect((await sink.write(batchOf(anEvent()))).status).toBe('committed')
    expect((await sink.write(batchOf(anEvent(), anEvent()))).status).toBe('committed')
    await sink.check()
    await sink.close()
    const trail = new Trail({ databaseUrl: database.url })
    await trail.histogram()
    await trail.search({ limit: 1 })
    await trail.close()
    expect((await owner.query('select who from public.heard')).rows).toEqual([])
  })
})

test('strings of an old kind do not change what stored SQL means', async () => {
  await withRole(['standard_conforming_strings = off'], async (url) => {
    const session = await open('write', url)
    const { rows } = await session.run((client) =>
      client.query('select count(*)::int as n from noetl.secret_audit_partitions()'),
    )
    await session.close()
    expect((rows[0] as { n: number }).n).toBeGreaterThan(10)
  })
})

test('rows that a policy hides are an error, and not a silence', async () => {
  const hidden = await migratedDatabase()
  const client = await connect(hidden.url)
  const login = await writerLogin(hidden.url)
  await client.query(
    `grant noetl_audit_reader to ${new URL(login.url).username}; alter table noetl.secret_audit enable row level security`,
  )
  const trail = new Trail({ databaseUrl: login.url })
  await expect(trail.search({ limit: 1 })).rejects.toMatchObject({ code: 'AUDIT_READ_FAILED' })
  await trail.close()
  await client.end()
  await login.drop()
  await hidden.drop()
})

describe('a pooler', () => {
  let proxy: WireProxy
  beforeAll(async () => {
    proxy = await WireProxy.start(database.url)
  })
  afterAll(() => proxy.close())
  afterEach(() => proxy.calm())

  const remedy = expect.stringContaining('address of the Postgres server')

  test.each([
    ['PgBouncer', '08P01', 'unsupported startup parameter: options'],
    ['PgBouncer 1.20', '08P01', 'unsupported startup parameter in options: search_path'],
    [
      'RDS Proxy',
      '0A000',
      "Feature not supported: RDS Proxy currently doesn't support command-line options.",
    ],
  ])(
    'that refuses what the session needs is named with the address to use instead: %s',
    async (_, code, text) => {
      proxy.answer = ({ type, bytes }) =>
        type === 'R' ? [messageOf('E', `SFATAL\0VFATAL\0C${code}\0M${text}\0\0`)] : [bytes]
      for (const purpose of PURPOSES) {
        await expect(open(purpose, proxy.url(database.url))).rejects.toMatchObject({
          code: 'AUDIT_SESSION',
          remedy,
        })
      }
    },
  )

  test('is told to a caller, with the address to use', async () => {
    proxy.answer = ({ type, bytes }) =>
      type === 'R'
        ? [messageOf('E', 'SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: options\0\0')]
        : [bytes]
    const sink = new PostgresAuditSink({ databaseUrl: proxy.url(database.url) })
    expect(await sink.write(batchOf(anEvent()))).toMatchObject({
      status: 'failed',
      lasting: true,
      fault: { message: remedy },
    })
    await sink.close()
  })

  test('that drops it in silence is found out before any SET', async () => {
    const asked: string[] = []
    proxy.request = ({ type, bytes }) => {
      if (type === 'Q' || type === 'P') asked.push(bytes.toString('utf8', 5))
      return [type === '' ? withoutOptions(bytes) : bytes]
    }
    // Its clients have process ids of its own.
    proxy.answer = ({ type, bytes }) => [type === 'K' ? messageOf('K', Buffer.alloc(8, 1)) : bytes]
    for (const purpose of PURPOSES) {
      await expect(open(purpose, proxy.url(database.url))).rejects.toMatchObject({
        code: 'AUDIT_SESSION',
        message: expect.stringContaining('pooler'),
        remedy,
      })
    }
    expect(asked.filter((text) => !text.startsWith('select '))).toEqual([])
    expect(asked).toHaveLength(PURPOSES.length)
  })

  test('that passes all of it on, where a SET is needed yet: none is sent', async () => {
    await withRole(['synchronous_commit = off'], async (login) => {
      const asked: string[] = []
      proxy.request = ({ type, bytes }) => {
        if (type === 'Q') asked.push(bytes.toString('utf8', 5))
        return [bytes]
      }
      proxy.answer = ({ type, bytes }) => [type === 'K' ? messageOf('K', Buffer.alloc(8, 1)) : bytes]
      await expect(open('write', proxy.url(login))).rejects.toMatchObject({
        code: 'AUDIT_SESSION',
        field: 'synchronous_commit',
      })
      expect(asked.filter((text) => /\bset\b/i.test(text))).toEqual([])
    })
  })
})

/** The start-up message, without its `options`: as a pooler sends it that takes them for itself. */
function withoutOptions(bytes: Buffer): Buffer {
  const parts = bytes.toString('latin1', 8).split('\0')
  const at = parts.indexOf('options')
  if (at >= 0) parts.splice(at, 2)
  const body = Buffer.from(parts.join('\0'), 'latin1')
  const head = Buffer.from(bytes.subarray(0, 8))
  head.writeInt32BE(8 + body.length)
  return Buffer.concat([head, body])
}
