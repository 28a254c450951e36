import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { openSession, type SessionOptions } from '../src/postgres/session.js'
import { TrailServer } from '../test/support/trail-server.js'
import { waitUntil } from '../test/support/wait-until.js'

/**
 * `npm run pooler:check`: what a real PgBouncer makes of our sessions, in each of its modes, with start-up parameters
 * refused and dropped. Each session must be refused by name, and the pool be as it was for its other clients.
 */
const PGBOUNCER = process.env['PGBOUNCER_PATH'] ?? 'pgbouncer'
const PURPOSES = ['write', 'query', 'verify', 'migrate'] as const

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function withBouncer(
  upstream: URL,
  lines: readonly string[],
  work: (url: string) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'pooler-'))
  chmodSync(directory, 0o755)
  const port = await freePort()
  const file = join(directory, 'pgbouncer.ini')
  writeFileSync(join(directory, 'users'), `"${upstream.username}" "${upstream.password}"\n`, { mode: 0o644 })
  writeFileSync(
    file,
    [
      '[databases]',
      `* = host=127.0.0.1 port=${upstream.port}`,
      '[pgbouncer]',
      `listen_addr = 127.0.0.1\nlisten_port = ${port}\nunix_socket_dir =`,
      `auth_type = trust\nauth_file = ${join(directory, 'users')}\ndefault_pool_size = 1`,
      ...lines,
    ].join('\n'),
    { mode: 0o644 },
  )
  // It refuses to run as root.
  const asUser = process.getuid?.() === 0 ? ['-u', 'nobody'] : []
  const bouncer = spawn(PGBOUNCER, [...asUser, file], { stdio: 'ignore' })
  const through = new URL(upstream)
  through.port = String(port)
  try {
    await waitUntil('PgBouncer', async () => {
      const client = new Client({ connectionString: through.href })
      client.on('error', () => {})
      const isUp = await client.connect().then(
        () => true,
        () => false,
      )
      await client.end().catch(() => {})
      return isUp
    })
    await work(through.href)
  } finally {
    bouncer.kill('SIGKILL')
    rmSync(directory, { recursive: true })
  }
}

async function refusals(url: string): Promise<string[]> {
  const texts: string[] = []
  for (const purpose of PURPOSES) {
    const options = {
      databaseUrl: url,
      applicationName: 'pooler-check',
      answerTimeoutMs: 5000,
      synchronousCommit: 'on',
      readOnly: false,
    } as SessionOptions[typeof purpose]
    try {
      await (await openSession(purpose, options)).close()
      throw new Error(`${purpose}: the session was let pass`)
    } catch (error) {
      const { code, message } = error as { readonly code?: string; readonly message: string }
      if (code !== 'AUDIT_SESSION') throw error
      texts.push(`${purpose}: ${message}`)
    }
  }
  return texts
}

/** What the application's own client finds in the pool: the settings that its login has. */
async function settingsOfOthers(url: string): Promise<string> {
  const client = new Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query<{ settings: string }>(
    `select string_agg(name || '=' || setting, ' ' order by name) as settings from pg_settings
     where source = 'session' and name not in ('client_encoding', 'application_name')`,
  )
  await client.query('create temporary table of_the_application (a int)')
  await client.query('drop table of_the_application')
  await client.end()
  return rows[0]?.settings ?? ''
}

async function main(): Promise<void> {
  if (spawnSync(PGBOUNCER, ['--version']).error !== undefined) {
    console.error(
      'pooler-check: there is no pgbouncer; install it (apt-get install pgbouncer), or set PGBOUNCER_PATH',
    )
    process.exitCode = 2
    return
  }
  const trails = await TrailServer.start()
  try {
    const upstream = new URL(await trails.trail())
    for (const mode of ['session', 'transaction', 'statement']) {
      for (const ignored of ['', 'options,extra_float_digits']) {
        const drops = ignored === '' ? [] : [`ignore_startup_parameters = ${ignored}`]
        await withBouncer(upstream, [`pool_mode = ${mode}`, ...drops], async (url) => {
          const texts = await refusals(url)
          const left = await settingsOfOthers(url)
          if (left !== '') throw new Error(`settings of ours are left in the pool: ${left}`)
          console.log(`ok  pool_mode ${mode}, ${ignored === '' ? 'refused' : 'dropped'}: ${texts[0]}`)
        })
      }
    }
  } finally {
    await trails.close()
  }
}

main().catch((error: unknown) => {
  console.error(`pooler-check: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
})
