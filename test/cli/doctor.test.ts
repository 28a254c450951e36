import { generateKeyPairSync } from 'node:crypto'
import { chmodSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { openLmdbSpool } from '../../build/src/spool/lmdb/lmdb-spool.js'
import { migrate } from '../../src/postgres/migrate/migrate.js'
import { connect, emptyDatabase, migratedDatabase, type TestDatabase } from '../support/database.js'
import { CuttingProxy } from '../support/cutting-proxy.js'
import { anEvent } from '../support/events.js'
import { TrailServer } from '../support/trail-server.js'
import { temporaryDirectory } from '../spool/directories.js'
import { otelAudit } from './otel-audit.js'

interface Report {
  readonly ok: boolean
  readonly configuration: Readonly<Record<string, string>>
  readonly checks: readonly {
    readonly check: string
    readonly findings: readonly { readonly level: string; readonly check: string; readonly message: string }[]
  }[]
}

const aKey = (): string =>
  generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()

/** Of a service that lacks nothing: what is found is what a test has put there. */
const COMPLETE = {
  OTEL_SERVICE_NAME: 'orders',
  NOETL_SECRET_AUDIT_ENROLMENT_KEY: aKey(),
  NOETL_SECRET_AUDIT_REQUIRED: '1',
}

/** @param env what is empty there is not set */
async function doctor(
  env: Readonly<Record<string, string>>,
): Promise<{ code: number | null; report: Report }> {
  const given = Object.entries({ ...COMPLETE, ...env }).filter(([, value]) => value !== '')
  const { code, stdout } = await otelAudit(['doctor', '--format', 'json'], Object.fromEntries(given))
  return { code, report: JSON.parse(stdout) as Report }
}

const levels = (report: Report): string[] =>
  report.checks.flatMap(({ findings }) => findings.map(({ level, check }) => `${level} ${check}`))

const messages = (report: Report): string[] =>
  report.checks.flatMap(({ findings }) => findings.map(({ message }) => message))

describe('otel-audit doctor', () => {
  let database: TestDatabase

  beforeAll(async () => {
    database = await migratedDatabase()
    await migrate({ databaseUrl: database.url, roles: true })
    const client = await connect(database.url)
    await client.query(`create role doctor_writer login; grant noetl_audit_writer to doctor_writer`)
    await client.query(`create role doctor_stranger login`)
    await client.end()
  })

  afterAll(async () => {
    const client = await connect(database.url)
    await client.query('drop role doctor_writer, doctor_stranger')
    await client.end()
    await database.drop()
  })

  const as = (user: string): string => {
    const url = new URL(database.url)
    url.username = user
    url.password = ''
    return url.toString()
  }

  test('finds nothing for a login with the writer role', async () => {
    const { code, report } = await doctor({ DATABASE_URL: as('doctor_writer') })
    expect(levels(report)).toEqual([])
    expect(report.ok).toBe(true)
    expect(report.checks.map(({ check }) => check)).toEqual([
      'connection',
      'schema',
      'trail',
      'rights',
      'partitions',
      'origin',
      'durability',
      'service',
      'enrolment',
      'spool',
      'tracing',
    ])
    expect(code).toBe(0)
  })

  test('warns of rows that came from somewhere else, to a login that may see it, and says what to do', async () => {
    const owner = await connect(database.url)
    const ids = Array.from(
      { length: 3 },
      (_, n) => (BigInt(Date.now() - 1_704_067_200_000) << 22n) + BigInt(n),
    )
    await owner.query(`insert into noetl.secret_audit (audit_id, credential, operation, outcome, recorded_xid)
      values (${ids[0]}, 'c', 'o', 'ok', default), (${ids[1]}, 'c', 'o', 'ok', 1), (${ids[2]}, 'c', 'o', 'ok', default)`)
    await owner.end()
    const { report } = await doctor({ DATABASE_URL: database.url })
    const { report: ofWriter } = await doctor({ DATABASE_URL: as('doctor_writer') })
    const said = messages(report).filter((message) => message.includes('another transaction'))
    expect(said).toHaveLength(1)
    expect(said[0]).toMatch(new RegExp(`^1 of the \\d+ .*restored below ${(ids[1] ?? 0n) + 1n}"`))
    expect(levels(report)).toContain('warning origin')
    expect(levels(ofWriter)).toEqual([])
  })

  test('warns of a login that may change rows, and never prints a password', async () => {
    const { code, stdout } = await otelAudit(['doctor'], { DATABASE_URL: database.url })
    expect(stdout).toContain('warning  rights: this login may also change or delete rows')
    expect(stdout).toContain('\nStrict records would be durable; async ones as soon as they are stored, ')
    expect(stdout).not.toContain(new URL(database.url).password)
    expect(code).toBe(0)
  })

  test('prints nothing of a password that is not percent-encoded, and says what to do about it', async () => {
    const url = database.url.replace(/:[^:@/]*@/, ':canary@#canary@')
    const { code, stdout, stderr } = await otelAudit(['doctor', '--database-url', url])
    expect(stdout + stderr).not.toContain('canary')
    expect(stderr).toContain('percent-encoding')
    expect(code).toBe(2)
  })

  test('says which grant a login lacks', async () => {
    const { code, report } = await doctor({ DATABASE_URL: as('doctor_stranger') })
    expect(levels(report)).toEqual(['error schema'])
    expect(messages(report)[0]).toContain('noetl_audit_writer')
    expect(code).toBe(1)
  })

  test('names the command that makes missing tables', async () => {
    const empty = await emptyDatabase()
    try {
      const { code, report } = await doctor({ DATABASE_URL: empty.url })
      expect(levels(report)).toEqual(['error schema'])
      expect(messages(report)[0]).toContain('otel-audit migrate')
      expect(code).toBe(1)
    } finally {
      await empty.drop()
    }
  })

  test('alarms when partitions run out, and migrate mends it', async () => {
    const own = await migratedDatabase()
    const client = await connect(own.url)
    try {
      const { rows } = await client.query<{ partition: string }>(
        'select partition from noetl.secret_audit_partitions() order by from_id desc limit 11',
      )
      for (const { partition } of rows) await client.query(`drop table noetl.${partition}`)
      const short = await doctor({ DATABASE_URL: own.url })
      expect(levels(short.report)).toContain('error partitions')
      expect(short.code).toBe(1)
      await otelAudit(['migrate'], { DATABASE_URL: own.url })
      expect(levels((await doctor({ DATABASE_URL: own.url })).report)).not.toContain('error partitions')
    } finally {
      await client.end()
      await own.drop()
    }
  })

  test('warns of a proxy, which may pool transactions', async () => {
    const direct = as('doctor_writer')
    const proxy = await CuttingProxy.start(Number(new URL(direct).port))
    onTestFinished(() => proxy.close())
    expect(levels((await doctor({ DATABASE_URL: proxy.url(direct) })).report)).toEqual([])
    proxy.rewrite = withOwnProcessId
    const { code, report } = await doctor({ DATABASE_URL: proxy.url(direct) })
    expect(levels(report)).toEqual(['warning proxy'])
    expect(messages(report)[0]).toMatch(/pools transactions.*pool_mode = session/)
    expect(code).toBe(0)
  })

  test('alarms when the server would lose committed rows, and names the command', async () => {
    const trails = await TrailServer.start({ settings: { fsync: 'off' } })
    onTestFinished(() => trails.close())
    const { code, report } = await doctor({ DATABASE_URL: await trails.trail() })
    expect(levels(report)).toContain('error fsync')
    expect(messages(report).join('\n')).toContain('ALTER SYSTEM RESET fsync; SELECT pg_reload_conf()')
    expect(code).toBe(1)
  })

  test.each([
    ['a name of the service', 'service', /OTEL_SERVICE_NAME/, { OTEL_SERVICE_NAME: '' }],
    ['an enrolment key', 'enrolment', /keys create/, { NOETL_SECRET_AUDIT_ENROLMENT_KEY: '' }],
    ['a spool for what is async', 'spool', /SPOOL_DIR/, { NOETL_SECRET_AUDIT_REQUIRED: '' }],
  ])('warns where there is not %s, and says what to do', async (_, check, remedy, env) => {
    const { code, report } = await doctor({ DATABASE_URL: as('doctor_writer'), ...env })
    expect(levels(report)).toEqual([`warning ${check}`])
    expect(messages(report)[0]).toMatch(remedy)
    expect([code, report.ok]).toEqual([0, true])
  })

  test('says that records would be durable where all are, at once', async () => {
    const verdict = async (env: object): Promise<string | undefined> => {
      const given = { DATABASE_URL: as('doctor_writer'), ...env }
      return (await otelAudit(['doctor'], given)).stdout.trimEnd().split('\n').at(-1)
    }
    const spool = { NOETL_SECRET_AUDIT_SPOOL_DIR: temporaryDirectory() }
    expect(await verdict({ NOETL_SECRET_AUDIT_REQUIRED: '1' })).toBe('Records would be durable.')
    expect(await verdict({ ...spool, NOETL_SECRET_AUDIT_SPOOL_MODE: 'always' })).toBe(
      'Records would be durable.',
    )
    expect(await verdict(spool)).toMatch(/^Strict records would be durable; async ones as soon as/)
  })

  test('looks at the enrolment key as the service will', async () => {
    const directory = temporaryDirectory()
    const pem = aKey()
    const file = join(directory, 'enrolment.pem')
    const withFile = {
      DATABASE_URL: as('doctor_writer'),
      NOETL_SECRET_AUDIT_ENROLMENT_KEY: '',
      NOETL_SECRET_AUDIT_ENROLMENT_KEY_FILE: file,
    }
    const missing = await doctor(withFile)
    expect(levels(missing.report)).toEqual(['error enrolment'])
    expect(messages(missing.report)[0]).toContain('ENOENT')
    expect(missing.code).toBe(1)

    writeFileSync(file, pem.slice(0, 60), { mode: 0o600 })
    expect(messages((await doctor(withFile)).report)[0]).toContain('must be an Ed25519 private key')
    writeFileSync(file, pem)
    expect(levels((await doctor(withFile)).report)).toEqual([])
    chmodSync(file, 0o644)
    const readable = await doctor(withFile)
    expect(levels(readable.report)).toEqual(['warning enrolment'])
    expect(messages(readable.report)[0]).toContain(`chmod 600 ${file}`)
    expect(readable.code).toBe(0)

    const path = { DATABASE_URL: as('doctor_writer'), NOETL_SECRET_AUDIT_ENROLMENT_KEY: file }
    expect(messages((await doctor(path)).report)[0]).toMatch(/a file belongs in enrolmentKeyFile/)
  })

  test('looks at the spool: what was set aside, and a directory that cannot be used', async () => {
    const directory = temporaryDirectory()
    const withSpool = { DATABASE_URL: as('doctor_writer'), NOETL_SECRET_AUDIT_SPOOL_BYTES: '1000000' }
    const there = { ...withSpool, NOETL_SECRET_AUDIT_SPOOL_DIR: directory }
    expect(levels((await doctor(there)).report)).toEqual([])
    const missing = { ...withSpool, NOETL_SECRET_AUDIT_SPOOL_DIR: join(directory, 'to be made') }
    expect(levels((await doctor(missing)).report)).toEqual([])
    expect(readdirSync(directory)).toEqual([])

    const spool = await openLmdbSpool({ directory, maxBytes: 1_000_000 })
    const [key = 0] = await spool.append([anEvent(), anEvent()])
    await spool.quarantine(key, 'refused')
    await spool.close()
    const { code, report } = await doctor(there)
    expect(levels(report)).toEqual(['warning spool', 'warning spool'])
    expect(messages(report)[0]).toContain(`otel-audit spool status --directory ${directory}`)
    expect(messages(report)[1]).toMatch(/^1 events of dead processes wait/)
    expect(code).toBe(0)

    const file = join(directory, 'file')
    writeFileSync(file, '')
    const unusable = await doctor({ ...withSpool, NOETL_SECRET_AUDIT_SPOOL_DIR: join(file, 'spool') })
    expect(levels(unusable.report)).toEqual(['error spool'])
    expect(messages(unusable.report)[0]).toMatch(/is a file \(ENOTDIR\): name another/)
    expect(unusable.code).toBe(1)
  })

  test('refuses a spool directory that others share, in the words of the service', async () => {
    const shared = temporaryDirectory()
    writeFileSync(join(shared, 'of another'), '')
    chmodSync(shared, 0o1777)
    const refused: unknown = await openLmdbSpool({ directory: shared, maxBytes: 1_000_000 }).catch(
      (error: unknown) => error,
    )
    const { code, report } = await doctor({
      DATABASE_URL: as('doctor_writer'),
      NOETL_SECRET_AUDIT_SPOOL_DIR: shared,
      NOETL_SECRET_AUDIT_SPOOL_BYTES: '1000000',
    })
    expect(levels(report)).toEqual(['error spool'])
    expect(messages(report)[0]).toMatch(/permissions 1777, .*chmod it to 0700$/)
    expect(String(refused)).toContain(messages(report)[0])
    expect(code).toBe(1)
  })

  test('warns when the bound of the spool is more than the disk has', async () => {
    const { code, report } = await doctor({
      DATABASE_URL: as('doctor_writer'),
      NOETL_SECRET_AUDIT_SPOOL_DIR: temporaryDirectory(),
      NOETL_SECRET_AUDIT_SPOOL_BYTES: '1099511627776',
    })
    expect(levels(report)).toEqual(['warning spool'])
    expect(messages(report)[0]).toMatch(/NOETL_SECRET_AUDIT_SPOOL_BYTES=\d+$/)
    expect(code).toBe(0)
  })

  test('says what of the telemetry configuration is in the way', async () => {
    const env = { DATABASE_URL: as('doctor_writer') }
    const disabled = await doctor({ ...env, OTEL_SDK_DISABLED: 'true' })
    expect(levels(disabled.report)).toEqual(['warning tracing'])
    const declarative = await doctor({ ...env, OTEL_CONFIG_FILE: 'otel.yaml' })
    expect(messages(declarative.report)[0]).toContain('unset OTEL_CONFIG_FILE')
    expect(declarative.code).toBe(1)
  })

  test('says that nobody answers, and that no database is given', async () => {
    const away = await doctor({ DATABASE_URL: 'postgres://somebody:canary-5f0c@127.0.0.1:1/app' })
    expect(levels(away.report)).toEqual(['error connection'])
    expect(JSON.stringify(away.report)).not.toContain('canary-5f0c')
    expect(away.code).toBe(1)
    expect((await doctor({})).code).toBe(1)
  })

  test('refuses a format and a variable that there is not', async () => {
    expect((await otelAudit(['doctor', '--format', 'xml'])).code).toBe(2)
    const { code, stderr } = await otelAudit(['doctor'], { NOETL_SECRET_AUDIT_SHEMA: 'x' })
    expect(stderr).toContain('NOETL_SECRET_AUDIT_SCHEMA')
    expect(code).toBe(2)
  })
})

/** As poolers do it: the process id that comes with the log-in is the proxy's own. */
function withOwnProcessId(answer: Buffer): Buffer {
  // BackendKeyData: 'K', length 12, process id, key.
  const at = answer.indexOf(Buffer.from([0x4b, 0, 0, 0, 12]))
  if (at >= 0) answer.writeUInt32BE(7, at + 5)
  return answer
}
