import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chown, mkdir, rm } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, describe, expect, test } from 'vitest'
import { migrate } from '../../src/postgres/migrate/migrate.js'
import { OWNER_CHECK } from '../../src/postgres/owner.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { idAt, ORIGINAL_INSERT, ORIGINAL_START_UP, originalValues } from '../postgres/adopt/original-table.js'
import { allowLines } from '../support/allow-lines.js'
import { connect, emptyDatabase, migratedDatabase, type TestDatabase } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'
import { serverAccount, temporaryDirectory } from '../support/postgres/account.js'
import { freePort, SERVER_ENVIRONMENT } from '../support/postgres/cluster.js'
import { guard, release } from '../support/postgres/guard.js'
import { waitUntil } from '../support/wait-until.js'

const run = promisify(execFile)

/** The oldest major version that distributions still have beside the newest. */
const OLD = '/usr/lib/postgresql/15/bin'

const databases: TestDatabase[] = []

afterEach(async () => {
  for (const database of databases.splice(0)) await database.drop()
})

async function tracked(database: Promise<TestDatabase>): Promise<string> {
  databases.push(await database)
  return (await database).url
}

async function sql(url: string, ...statements: readonly string[]): Promise<void> {
  const client = await connect(url)
  for (const statement of statements) await client.query(statement)
  await client.end()
}

/** No finding, and batches of all sizes are committed. */
async function expectOurs(url: string): Promise<void> {
  const sink = new PostgresAuditSink({ databaseUrl: url })
  // The login of these tests is a superuser's.
  expect((await sink.check()).filter(({ check }) => check !== OWNER_CHECK)).toEqual([])
  for (const size of [1, 5]) {
    const batch = batchOf(...Array.from({ length: size }, () => anEvent()))
    expect(await sink.write(batch)).toMatchObject({ status: 'committed' })
  }
  await sink.close()
}

/** An older server warns of the statement that does it. */
async function expectDeferredFired(url: string): Promise<void> {
  await sql(
    url,
    `create function public.own() returns trigger language plpgsql as
       $$ begin perform set_config('own.ran', new.audit_id::text, false); return new; end $$`,
    `create constraint trigger own after insert on noetl.secret_audit deferrable initially deferred
       for each row execute function public.own()`,
  )
  const strange = new PostgresAuditSink({ databaseUrl: url })
  const allowInStore = (await allowLines(strange)).join('\n')
  const sink = new PostgresAuditSink({ databaseUrl: url, allowInStore })
  expect(await sink.write(batchOf(anEvent()))).toMatchObject({ status: 'committed' })
  await sink.close()
  await sql(url, 'drop trigger own on noetl.secret_audit')
}

async function original(): Promise<string> {
  const url = await tracked(emptyDatabase())
  await sql(url, 'create schema noetl', ...ORIGINAL_START_UP)
  const client = await connect(url)
  for (let i = 0; i < 5; i++) await client.query(ORIGINAL_INSERT, originalValues(idAt(Date.now(), i)))
  await client.end()
  return url
}

describe('a trail is ours', () => {
  test('when it was made just now', async () => {
    await expectOurs(await tracked(migratedDatabase()))
  })

  test('when it was made of the original’s table', async () => {
    const url = await original()
    await migrate({ databaseUrl: url, roles: true })
    await expectOurs(url)
  })

  test('when an older version made it, and the newest one has updated it', async () => {
    const url = await tracked(migratedDatabase())
    await sql(
      url,
      'drop function noetl.secret_audit_written(bigint[]), noetl.secret_audit_proven(bigint[]), noetl.secret_audit_field(bytea, text)',
      'drop function noetl.secret_audit_elsewhere(bigint[], bigint[], bigint[], bigint[])',
      'alter table noetl.secret_audit drop constraint secret_audit_not_ahead, drop constraint secret_audit_sizes',
      'alter table noetl.secret_audit_block drop constraint secret_audit_block_sizes',
      'delete from noetl.secret_audit_migration where number >= 5',
    )
    await migrate({ databaseUrl: url })
    await expectOurs(url)
  })

  test.skipIf(!existsSync(OLD)).each([
    ['made just now', false],
    ['made of the original’s table', true],
  ])('when it was %s in the oldest version, and restored into the newest', async (_, adopts) => {
    const old = await OldServer.start()
    try {
      if (adopts) await sql(old.url, 'create schema noetl', ...ORIGINAL_START_UP)
      await migrate({ databaseUrl: old.url, roles: true })
      await expectOurs(old.url)
      await expectDeferredFired(old.url)
      const url = await tracked(emptyDatabase())
      await migrate({ databaseUrl: await tracked(emptyDatabase()), roles: true })
      const script = join(old.directory, 'dump.sql')
      await run(join(OLD, 'pg_dump'), ['--no-owner', '--file', script, old.url])
      await run(join(OLD, 'psql'), ['--quiet', '--set', 'ON_ERROR_STOP=1', '--file', script, url])
      await expectOurs(url)
    } finally {
      await old.close()
    }
  })
})

class OldServer {
  readonly directory: string
  readonly url: string
  readonly #process: ChildProcess

  private constructor(directory: string, port: number, process: ChildProcess) {
    this.directory = directory
    this.url = `postgres://postgres@127.0.0.1:${port}/postgres`
    this.#process = process
  }

  static async start(): Promise<OldServer> {
    const account = serverAccount()
    const directory = join(
      temporaryDirectory(account),
      `otel-audit-postgres-${randomBytes(6).toString('hex')}`,
    )
    await guard(directory)
    await mkdir(directory, { mode: 0o700 })
    if (account.uid !== undefined) await chown(directory, account.uid, account.gid)
    const options = { ...account, cwd: directory, env: SERVER_ENVIRONMENT }
    const data = join(directory, 'data')
    const layout = ['--encoding=UTF8', '--locale=C', '--username=postgres', '--auth=trust', '--no-sync']
    await run(join(OLD, 'initdb'), ['-D', data, ...layout], options)
    const port = await freePort()
    const settings = [
      'listen_addresses=127.0.0.1',
      'unix_socket_directories=',
      'dynamic_shared_memory_type=mmap',
    ]
    const flags = settings.flatMap((setting) => ['-c', setting])
    const server = spawn(join(OLD, 'postgres'), ['-D', data, '-p', String(port), ...flags], {
      ...options,
      stdio: 'ignore',
    })
    const old = new OldServer(directory, port, server)
    await waitUntil('the old server', async () => {
      try {
        await sql(old.url, 'select 1')
        return true
      } catch {
        return false
      }
    })
    return old
  }

  async close(): Promise<void> {
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGINT')
    await ended
    await rm(this.directory, { recursive: true, force: true })
    await release(this.directory)
  }
}
