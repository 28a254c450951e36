import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OldTrail } from '../test/archive/old-trail.js'
import { otelAudit, type Result } from '../test/cli/otel-audit.js'
import { packageRoot } from '../test/support/postgres/package-root.js'
import { TrailServer } from '../test/support/trail-server.js'
import { readTrail } from '../test/support/trail.js'
import { ACCOUNT, BucketOwner, type Version } from './object-storage/bucket-owner.js'
import { type Moto, NotHere, startMoto } from './object-storage/moto.js'

const HELP = `Archives in object storage, by the command line, against moto, which it installs once into build/.

  npm run object-storage:check

Archive with Object Lock (killed in the middle), attempts to delete and overwrite, verify, retire (killed), query, hold. One line for each
check; the exit code is 1 when one of them failed, and 2 when moto was not to be had. Needs python3 with venv and pip, and PyPI.

moto does not look at signatures, checksums and rights; \`npm test\` has a fake of ours that does.`

const BUCKET = 'archives'
const PLACE = `s3://${BUCKET}/wallet`
const ORIGIN = 'otel-audit/wallet'
const MONTHS = 3
const MAIN = join(packageRoot(), 'dist', 'cli', 'main.js')

let [passed, failed] = [0, 0]

function check(what: string, holds: boolean, found: unknown = ''): void {
  if (holds) passed++
  else failed++
  console.log(`${holds ? 'ok  ' : 'FAIL'}  ${what}${holds ? '' : `: ${JSON.stringify(found)}`}`)
}

/** What the checks work with. */
interface Stage {
  readonly trail: OldTrail
  readonly owner: BucketOwner
  readonly trust: string
  readonly env: Readonly<Record<string, string>>
  readonly before: (month: number) => string
  readonly run: (...args: readonly string[]) => Promise<Result>
}

async function all({ trail, owner, trust, env, before, run }: Stage): Promise<void> {
  const printed: Result[] = []
  const cli = async (...args: readonly string[]): Promise<Result> => {
    const result = await run(...args)
    printed.push(result)
    return result
  }
  const versions = (): Promise<readonly Version[]> => owner.versions(BUCKET)
  const files = async (): Promise<readonly Version[]> =>
    (await versions()).filter(({ isMarker }) => !isMarker)
  const head = async ({ key, version }: Version): Promise<Headers> =>
    (await owner.ask('HEAD', `${BUCKET}/${key}?versionId=${version}`)).headers

  const window = ['--from', before(0), '--to', before(MONTHS), '--format', 'json']
  const asked = await cli('query', ...window)
  const locking = ['--object-lock', 'compliance', '--retain-for', '30d']
  const archiving = ['archive', '--before', before(MONTHS), '--to', PLACE, ...locking]
  const atKill = await killedWhen(archiving, env, async () => (await files()).length >= 9)
  check(
    `archive, killed when ${atKill ? 'some' : 'all'} of its files were there, counts as nothing`,
    (await retirements(trail)) === 0,
  )
  const archived = await cli(...archiving)
  check(
    'run again it archives and proves every month',
    archived.code === 0 && archived.stdout.includes('3 partitions archived'),
    archived,
  )
  const folders = (await files()).filter(({ key }) => key.endsWith('manifest.note'))
  check('each month once', folders.length === MONTHS, folders)

  const stored = await files()
  // What the killed run left is hidden, and locked as well.
  const names = new Set(stored.map(({ key }) => key))
  const heads = await Promise.all(stored.map(head))
  const isLocked = (headers: Headers): boolean =>
    headers.get('x-amz-object-lock-mode') === 'COMPLIANCE' &&
    Date.parse(headers.get('x-amz-object-lock-retain-until-date') ?? '') > Date.now() + 29 * 86_400_000
  check(`each of ${stored.length} files is locked`, stored.length > 0 && heads.every(isLocked))
  const deleted = await Promise.all(
    stored.map(({ key, version }) => owner.ask('DELETE', `${BUCKET}/${key}?versionId=${version}`)),
  )
  check(
    'none can be deleted',
    deleted.every(({ status }) => status === 403),
    deleted.map(({ status }) => status),
  )
  const note = folders[0]?.key ?? ''
  const over = await owner.ask('PUT', `${BUCKET}/${note}`, { 'if-none-match': '*' }, 'x')
  check('none is overwritten by a conditional write', over.status === 412, over.status)

  const verified = await cli('verify', '--trust', trust, '--archive', PLACE, '--format', 'json')
  check('the files verify, without a database', verified.code === 0, verified)

  await owner.ask('PUT', 'without-lock')
  const refused = await cli('archive', '--before', before(1), '--to', 's3://without-lock', ...locking)
  check('a bucket without Object Lock is refused', refused.code === 1, refused)

  await owner.ask('PUT', `${BUCKET}/${note}`, {}, 'another note')
  for (const { key } of stored) await owner.ask('DELETE', `${BUCKET}/${key}`)
  const hidden = await cli('verify', '--trust', trust, '--archive', PLACE, '--format', 'json')
  const { findings = {}, rows = {} } = JSON.parse(hidden.stdout || '{}') as Record<
    string,
    Record<string, number>
  >
  check(
    'with a delete marker on each of them, and another note over one, they verify, and what is hidden is told',
    hidden.code === 1 &&
      findings['archive-hidden'] === names.size &&
      Object.keys(findings).length === 1 &&
      (rows['proven'] ?? 0) > 0,
    hidden,
  )
  const retiring = ['retire', '--before', before(MONTHS)]
  await killedWhen(retiring, env, async () => (await states(trail)).includes('retiring'))
  const retired = await cli(...retiring)
  check(
    'retire, killed, run again, reads the hidden files, and retires every month',
    retired.code === 0,
    retired,
  )
  const { code, stdout } = await cli('query', ...window, '--archive', PLACE, '--trust', trust)
  check('the archives answer as the trail did', code === 0 && stdout === asked.stdout, { code })

  for (const { key, version, isMarker } of await versions())
    if (isMarker) await owner.ask('DELETE', `${BUCKET}/${key}?versionId=${version}`)
  const [other] = (await files()).filter(
    ({ key, version }) => key === note && stored.every((one) => one.version !== version),
  )
  await owner.ask('DELETE', `${BUCKET}/${note}?versionId=${other?.version}`)
  const whole = await cli('verify', '--trust', trust, '--with-archive', PLACE)
  check('without the markers nothing is found, with the trail', whole.code === 0, whole)

  const held = async (): Promise<number> =>
    (await Promise.all((await files()).map(head))).filter(
      (one) => one.get('x-amz-object-lock-legal-hold') === 'ON',
    ).length
  const hold = await cli('hold', 'add', '--credential', 'key-1', '--reason', 'case 17')
  check(
    'a hold on what was retired is a legal hold on every file',
    hold.code === 0 && (await held()) === names.size,
    hold,
  )
  const released = await cli('hold', 'release', '--id', '1', '--reason', 'over')
  check('and ends with it', released.code === 0 && (await held()) === 0, released)

  const texts = [
    ...printed.flatMap((one) => [one.stdout, one.stderr]),
    JSON.stringify(await readTrail(trail.owner), (_, value: unknown) => String(value)),
  ]
  for (const { key, version } of await files())
    texts.push(await (await owner.ask('GET', `${BUCKET}/${key}?versionId=${version}`)).text())
  const secrets = [ACCOUNT.AWS_SECRET_ACCESS_KEY, ACCOUNT.AWS_SESSION_TOKEN]
  check(
    'no key is in a row, a file or a line',
    texts.every((text) => secrets.every((secret) => !text.includes(secret))),
  )
}

/** Runs a command, and kills it as soon as something is so. @returns whether it was still running */
async function killedWhen(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  isSo: () => Promise<boolean>,
): Promise<boolean> {
  const child = spawn(process.execPath, [MAIN, ...args], { env, stdio: 'ignore' })
  const ended = new Promise<boolean>((resolve) =>
    child.once('close', (_, signal) => resolve(signal === 'SIGKILL')),
  )
  while (child.exitCode === null && !(await isSo())) await new Promise((resolve) => setTimeout(resolve, 5))
  child.kill('SIGKILL')
  return ended
}

async function states({ owner }: OldTrail): Promise<readonly string[]> {
  const { rows } = await owner.query<{ state: string }>('select state from noetl.secret_audit_retirement')
  return rows.map(({ state }) => state)
}

const retirements = async (trail: OldTrail): Promise<number> => (await states(trail)).length

async function withStage(moto: Moto, work: (stage: Stage) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'object-storage-check-'))
  const server = await TrailServer.start()
  try {
    const trail = await OldTrail.create(MONTHS + 1, 'month', {
      name: 'trail',
      url: await server.trail(),
      drop: async () => {},
    })
    try {
      await trail.owner.query('select noetl.secret_audit_begin_trail(true)')
      await trail.fill()
      const key = join(directory, 'retention.pem')
      const made = await otelAudit(['keys', 'create', '--retention', '--origin', ORIGIN, '--out', key])
      const trust = join(directory, 'audit.trust')
      writeFileSync(trust, `origin ${ORIGIN}\n${made.stdout}unsigned any\n`)
      const env = {
        ...ACCOUNT,
        AWS_ENDPOINT_URL_S3: moto.endpoint,
        NOETL_SECRET_AUDIT_RETENTION_KEY_FILE: key,
        NOETL_SECRET_AUDIT_ORIGIN: ORIGIN,
        DATABASE_URL: trail.database.url,
      }
      const owner = new BucketOwner(moto.endpoint)
      await owner.ask('PUT', BUCKET, { 'x-amz-bucket-object-lock-enabled': 'true' })
      const before = (month: number): string => new Date(trail.months[month] ?? 0).toISOString().slice(0, 10)
      await work({ trail, owner, trust, env, before, run: (...args) => otelAudit(args, env) })
    } finally {
      await trail.drop()
    }
  } finally {
    await server.close()
    rmSync(directory, { recursive: true })
  }
}

async function main(): Promise<void> {
  if (process.argv.includes('--help')) {
    console.log(HELP)
    return
  }
  let moto: Moto
  try {
    moto = await startMoto()
  } catch (error) {
    if (!(error instanceof NotHere)) throw error
    console.log(`not checked: ${error.message}`)
    process.exitCode = 2
    return
  }
  try {
    await withStage(moto, all)
  } finally {
    moto.close()
  }
  console.log('not checked here: signatures, checksums, rights (npm test has a fake that does)')
  console.log(`${passed} passed, ${failed} failed`)
  if (failed > 0) process.exitCode = 1
}

main().catch((error: unknown) => {
  console.error(`object-storage:check: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
})
