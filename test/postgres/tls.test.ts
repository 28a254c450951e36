import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { migrate } from '../../src/postgres/migrate/migrate.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { otelAudit } from '../cli/otel-audit.js'
import { certificate } from '../support/certificate.js'
import { anEvent, batchOf } from '../support/events.js'
import { type PostgresServer, startPostgres } from '../support/postgres/server.js'

// What docs/operations.md says of TLS, with a real server.

let server: PostgresServer
let directory: string
/** The certificate that the server has, which is its own CA. */
let ca: string

beforeAll(async () => {
  server = await startPostgres()
  directory = mkdtempSync(join(tmpdir(), 'tls-'))
  await migrate({ databaseUrl: server.url(), roles: true })
})

afterAll(async () => {
  rmSync(directory, { recursive: true })
  await server.close()
})

/** From the next connection on the server has another certificate, for 127.0.0.1. @returns its text */
async function newCertificate(): Promise<string> {
  const { key, cert } = certificate()
  const { uid, gid } = statSync(server.dataDirectory)
  for (const [name, text] of [
    ['server.key', key],
    ['server.crt', cert],
  ] as const) {
    const file = join(server.dataDirectory, name)
    writeFileSync(file, text)
    chmodSync(file, 0o600)
    chownSync(file, uid, gid)
  }
  await server.query('alter system set ssl = on')
  await server.query('select pg_reload_conf()')
  return cert.toString()
}

const urlWith = (parameters: Readonly<Record<string, string>>, host = '127.0.0.1'): string => {
  const url = new URL(server.url())
  url.hostname = host
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  return url.href
}

/** What `doctor` finds of the connection; nothing when it is made. */
async function refusal(parameters: Readonly<Record<string, string>>, host?: string): Promise<string> {
  const env = { DATABASE_URL: urlWith(parameters, host), NODE_ENV: 'test' }
  const { stdout } = await otelAudit(['doctor', '--format', 'json'], env)
  const { checks } = JSON.parse(stdout) as {
    checks: { check: string; findings: { level: string; message: string }[] }[]
  }
  const found = checks.filter(({ check }) => check === 'connection').flatMap(({ findings }) => findings)
  return found.map(({ message }) => message).join('\n')
}

test('a server without TLS is refused where it is asked for, with what to do', async () => {
  expect(await refusal({ sslmode: 'verify-full' })).toMatch(/switch TLS on in the server \(ssl = on\)/)
})

describe('with TLS', () => {
  beforeAll(async () => {
    ca = join(directory, 'ca.pem')
    writeFileSync(ca, await newCertificate())
  })

  test.each(['verify-full', 'require', 'prefer'])(
    'sslmode=%s: a CA of one’s own has to be named',
    async (sslmode) => {
      expect(await refusal({ sslmode, sslrootcert: ca })).toBe('')
      expect(await refusal({ sslmode })).toMatch(/sslmode=verify-full&sslrootcert=/)
    },
  )

  test('the name has to be that of the certificate', async () => {
    expect(await refusal({ sslmode: 'verify-full', sslrootcert: ca }, 'localhost')).toMatch(
      /use the host name that the certificate of the server is for/,
    )
  })

  test('a file that is not there is said', async () => {
    expect(await refusal({ sslmode: 'verify-full', sslrootcert: join(directory, 'none.pem') })).toMatch(
      /a file that databaseUrl names \(sslrootcert, sslcert or sslkey\) cannot be read \(ENOENT\)/,
    )
  })

  test('the certificate is changed while the file has both: a writer goes on without a restart', async () => {
    const old = readFileSync(ca, 'utf8')
    const applicationName = 'otel-audit tls'
    const databaseUrl = urlWith({ sslmode: 'verify-full', sslrootcert: ca })
    const sink = new PostgresAuditSink({ databaseUrl, applicationName })
    const written = async (): Promise<string> => (await sink.write(batchOf(anEvent()))).status
    const cut = (): Promise<unknown> =>
      server.query(
        'select pg_terminate_backend(pid, 10000) from pg_stat_activity where application_name = $1',
        [applicationName],
      )
    expect(await written()).toBe('committed')
    const { rows } = await server.query<{ ssl: boolean }>(
      `select ssl from pg_stat_ssl join pg_stat_activity using (pid) where application_name = $1`,
      [applicationName],
    )
    expect(rows).toEqual([{ ssl: true }])

    const next = await newCertificate()
    await cut()
    expect(await written()).toMatch(/failed|unknown/)
    writeFileSync(ca, old + next)
    expect(await written()).toBe('committed')
    writeFileSync(ca, next)
    await cut()
    expect(await written()).toMatch(/committed|failed|unknown/)
    expect(await written()).toBe('committed')
    await sink.close()
  })
})
