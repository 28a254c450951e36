import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { packageRoot } from '../support/postgres/package-root.js'
import { type PostgresServer, startPostgres } from '../support/postgres/server.js'
import { Program } from '../support/program.js'
import { otelAudit } from './otel-audit.js'

// From an empty database to a verified trail, by what each command prints as the next one, without psql.

let server: PostgresServer
let directory: string
/** What the owner has exported. */
let owner: Record<string, string>

beforeAll(async () => {
  server = await startPostgres()
  directory = mkdtempSync(join(tmpdir(), 'otel-audit-path-'))
  owner = { DATABASE_URL: server.url() }
})

afterAll(async () => {
  rmSync(directory, { recursive: true })
  await server.close()
})

const at = (name: string): string => join(directory, name)

interface Command {
  readonly env: Record<string, string>
  readonly args: readonly string[]
}

/** The commands that were printed as the next ones: lines with two spaces before them. */
function nextOf(stderr: string): readonly Command[] {
  const lines = stderr.split('\n').filter((line) => line.startsWith('  ') && line.includes('otel-audit'))
  return lines.map((line) => {
    const words = line.trim().split(' ')
    const end = words.findIndex((word) => !/^\w+=/.test(word))
    const env = words.slice(0, end).map((word) => word.split(/=(.*)/, 2))
    return { env: Object.fromEntries(env) as Record<string, string>, args: words.slice(end + 1) }
  })
}

const placed = (args: readonly string[]): string[] =>
  args.map((word) => (/^[\w-]+\.(pem|trust|url)$/.test(word) ? at(word) : word))

/** As the printed command says, with files in the directory. */
const follow = ({ env, args }: Command) => otelAudit(placed(args), { ...owner, ...env })

test('each command prints the next one, and the last one verifies what the service wrote', async () => {
  const migrated = await otelAudit(['migrate', '--roles'], owner)
  expect(migrated.stderr).toContain('\n  otel-audit migrate --login NAME --url-file NAME.url\n')
  const byNpx = await otelAudit(['migrate', '--roles'], { ...owner, npm_command: 'exec' })
  expect(byNpx.stderr).toContain('\n  npx otel-audit migrate --login NAME --url-file NAME.url\n')

  const login = await otelAudit(['migrate', '--login', 'orders', '--url-file', at('orders.url')], owner)
  expect(login.code).toBe(0)
  const url = readFileSync(at('orders.url'), 'utf8')
  expect(statSync(at('orders.url')).mode & 0o777).toBe(0o600)
  expect(url).toMatch(/^postgres:\/\/orders:[\w-]{32}@127\.0\.0\.1:\d+\/postgres\n$/)
  const { password } = new URL(url.trim())
  expect(login.stdout + login.stderr + server.logs(10_000)).not.toContain(password)
  expect(login.stdout).toMatch(/^login {7}postgres:\/\/orders@127/m)

  const [service, create] = nextOf(login.stderr)
  if (service === undefined || create === undefined) throw new Error(login.stderr)
  const made = await follow(create)
  expect([made.code, made.stdout]).toEqual([
    0,
    expect.stringMatching(/^enrolment otel-audit\/postgres\/enrolment\+/),
  ])

  const [withKey, init] = nextOf(made.stderr)
  if (withKey === undefined || init === undefined) throw new Error(made.stderr)
  // The owner's variable is exported all the while: the login of the service counts.
  const script = `import { Operation, SecretAuditService } from 'otel-audit'
    const fields = { credential: 'orders-db', operation: Operation.GetCredential }
    await SecretAuditService.fromEnv().guard(fields, () => 'canary-7d20')`
  const application = new Program({
    args: ['--import', 'otel-audit/register', '--input-type=module', '--eval', script],
    cwd: packageRoot(),
    env: {
      ...owner,
      ...service.env,
      ...withKey.env,
      NODE_ENV: 'production',
      NOETL_SECRET_AUDIT_REQUIRED: 'true',
    },
  })
  expect([await application.exit, application.stderr]).toMatchObject([
    { code: 0 },
    expect.not.stringContaining('owner:'),
  ])

  const begun = await follow(init)
  expect(begun.code).toBe(0)
  const [verify] = nextOf(begun.stderr)
  if (verify === undefined) throw new Error(begun.stderr)
  const verified = await follow({ ...verify, args: [...verify.args, '--format', 'json'] })
  expect([verified.code, verified.stderr]).toEqual([0, ''])
  expect(JSON.parse(verified.stdout)).toMatchObject({ result: 'nothing found', chains: { unenrolled: 0 } })

  const auditor = await otelAudit(
    ['migrate', '--login', 'auditor', '--reads', '--url-file', at('auditor.url')],
    owner,
  )
  const [query] = nextOf(auditor.stderr)
  if (query === undefined) throw new Error(auditor.stderr)
  const read = await follow({ ...query, args: [...query.args, '--credential', 'orders-db'] })
  expect([read.code, read.stdout.split('\n').length]).toEqual([0, 2])
  expect(read.stdout).toContain('"outcome":"ok"')
})

describe('the file for the URL', () => {
  test('is not overwritten, and the password stays', async () => {
    const path = at('there.url')
    const make = () => otelAudit(['migrate', '--login', 'orders', '--url-file', path], owner)
    expect((await make()).code).toBe(0)
    const before = readFileSync(path, 'utf8')
    const again = await make()
    expect([again.code, again.stderr]).toEqual([
      2,
      expect.stringContaining('(EEXIST): an existing file is not overwritten'),
    ])
    expect(readFileSync(path, 'utf8')).toBe(before)
    const doctor = await otelAudit(['doctor'], { DATABASE_URL_FILE: path })
    expect(doctor.code, doctor.stdout).toBe(0)
  })

  test('is not left behind when nothing was made', async () => {
    const path = at('nothing.url')
    const away = { DATABASE_URL: 'postgres://owner@127.0.0.1:9/x' }
    expect((await otelAudit(['migrate', '--login', 'orders', '--url-file', path], away)).code).toBe(1)
    expect(() => statSync(path)).toThrow('ENOENT')
  })

  test.each([
    [['--url-file', 'x'], '--url-file is for the URL of the login'],
    [['--reads'], '--reads is for the login'],
    [['--login', 'orders', '--dry-run', '--url-file', 'x'], '--dry-run makes no login'],
  ])('usage: %j', async (flags, message) => {
    const { code, stderr } = await otelAudit(['migrate', ...flags], owner)
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)])
  })
})
