import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ThreadedSink } from '../../../build/src/postgres/thread/threaded-sink.js'
import { DurableAuditExporter } from '../../../src/exporter/exporter.js'
import { connect, migratedDatabase, type TestDatabase } from '../../support/database.js'
import { Ledger, type Submission } from '../../support/ledger.js'
import { packageRoot } from '../../support/postgres/package-root.js'
import { Program } from '../../support/program.js'
import { readTrail } from '../../support/trail.js'
import { verifiedTrail } from '../../support/verified.js'
import { WatchedSink } from '../../support/watched-sink.js'
import { captureThreads, threads } from './worker-capture.js'

// A service that writes in a thread: under load while threads are killed, and as a process of its own.

let directory: string
let database: TestDatabase

beforeAll(async () => {
  database = await migratedDatabase()
  directory = await mkdtemp(join(tmpdir(), 'otel-audit-thread-'))
  await symlink(join(packageRoot(), 'node_modules'), join(directory, 'node_modules'))
})

afterAll(async () => {
  await rm(directory, { recursive: true })
  await database.drop()
})

const KILLS = 8

test('its thread killed again and again: nothing acknowledged is lost, nothing is there twice, and the trail is whole', async () => {
  const release = captureThreads()
  const clean = await migratedDatabase()
  const watched = new WatchedSink(new ThreadedSink({ databaseUrl: clean.url }))
  const exporter = new DurableAuditExporter({ lingerMs: 1, sink: watched })
  const ledger = new Ledger(exporter)
  const answers: Submission['answer'][] = []
  let killed: (typeof threads)[number] | undefined
  for (let kill = 0; kill < KILLS; kill++) {
    const { written } = exporter.stats()
    // By turns one that has committed something, and one that has just been started.
    const isDue = (): boolean => kill % 2 === 1 || exporter.stats().written !== written
    do {
      for (let i = 0; i < 8; i++) answers.push(ledger.strict().answer)
      for (let i = 0; i < 8; i++) ledger.async()
      await sleep(5)
    } while (threads.at(-1) === killed || !isDue())
    killed = threads.at(-1)
    await killed?.terminate()
  }
  for (const answer of await Promise.all(answers)) expect(answer).not.toBeInstanceOf(Error)
  await exporter.close(60_000)
  expect(exporter.stats().pending).toBe(0)
  const trail = await readTrail(clean.url)
  ledger.check(trail)
  expect(watched.breaches).toEqual([])
  const { found, rows, chains } = await verifiedTrail(clean.url, { unsigned: 'none' })
  expect([found, rows.proven]).toEqual([[], trail.length])
  expect(chains.length).toBeGreaterThan(KILLS / 2)
  expect(chains.filter(({ continues }) => continues !== undefined)).toHaveLength(chains.length - 1)
  await clean.drop()
  release()
})

async function run(body: string, args: readonly string[] = [], env: Record<string, string> = {}) {
  const app = join(directory, `app-${Math.random()}.mjs`)
  const entry = JSON.stringify(join(packageRoot(), 'dist/index.js'))
  await writeFile(app, `import { createAudit } from ${entry}\n${body}`)
  const program = new Program({
    args: [...args, app],
    cwd: directory,
    env: { DATABASE_URL: database.url, NOETL_SECRET_AUDIT_WRITER_THREAD: 'true', ...env },
  })
  const { code } = await program.exit
  return { code, stdout: program.stdout, stderr: program.stderr }
}

const RECORD = `audit.service.recordStrict({ credential: 'c', operation: 'get_credential', outcome: 'ok' })`

test('the variable starts it; a process that has nothing else to do ends, and what it was granted is stored', async () => {
  const { code, stdout, stderr } = await run(`
    const audit = createAudit({ serviceName: 'ends' })
    await audit.start()
    console.log('row', String((await ${RECORD}).auditId))
    console.log('threads', process.getActiveResourcesInfo().filter((what) => what === 'MessagePort' || what === 'Worker').length)`)
  const [, auditId] = /^row (\d+)$/m.exec(stdout) ?? []
  expect([code, stderr, auditId]).toEqual([0, expect.any(String), expect.any(String)])
  const trail = await readTrail(database.url)
  expect(trail.map(({ event }) => String(event.auditId))).toContain(auditId)
})

test('closed, its chain is closed, and preloaded flags of the process do not reach the thread', async () => {
  const register = join(packageRoot(), 'dist/register.js')
  const { code, stderr } = await run(
    `const audit = createAudit({ serviceName: 'closes' })
     await audit.start()
     await ${RECORD}
     await audit.close()`,
    [],
    {
      NODE_OPTIONS: `--import ${register}`,
      OTEL_TRACES_EXPORTER: 'none',
      OTEL_METRICS_EXPORTER: 'none',
      OTEL_LOGS_EXPORTER: 'none',
    },
  )
  expect([code, stderr]).toEqual([0, expect.any(String)])
  const client = await connect(database.url)
  const { rows } = await client.query(
    `select g.body like '%"closes"%' as closes, (select kind from noetl.secret_audit_block b where b.chain_id = g.chain_id
       order by block_no desc limit 1) as last from noetl.secret_audit_block g where g.kind = 'genesis'`,
  )
  await client.end()
  expect(rows.filter(({ closes }) => closes)).toEqual([{ closes: true, last: 'close' }])
})

test('where a process may have no threads, the start says so, and no record is granted', async () => {
  const flag = process.allowedNodeEnvironmentFlags.has('--permission')
    ? '--permission'
    : '--experimental-permission'
  const { code, stdout, stderr } = await run(
    `const audit = createAudit({ serviceName: 'permitted' })
     const { findings } = await audit.start()
     for (const { message } of findings) console.log(message)
     await ${RECORD}.catch((error) => console.log(error.code, error.row, error.message))
     await audit.close({ timeoutMs: 1 })`,
    [flag, '--allow-fs-read=*', '--allow-fs-write=*'],
  )
  expect([code, stderr]).toEqual([0, expect.any(String)])
  expect(stdout).toContain('AUDIT_WRITER_THREAD: no thread can be started (ERR_ACCESS_DENIED)')
  expect(stdout).toContain('AUDIT_UNAVAILABLE not-stored')
})
