import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { migratedDatabase, type TestDatabase } from '../support/database.js'
import { packageRoot } from '../support/postgres/package-root.js'
import { waitUntil } from '../support/wait-until.js'

let database: TestDatabase

beforeAll(async () => {
  database = await migratedDatabase()
})

afterAll(() => database.drop())

/** The command line as it is installed beside some packages and no others. @returns its main file */
function installedBeside(packages: readonly string[]): string {
  const directory = mkdtempSync(join(tmpdir(), 'otel-audit-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  for (const name of packages) {
    const installed = join(directory, 'node_modules', name)
    mkdirSync(dirname(installed), { recursive: true })
    symlinkSync(join(packageRoot(), 'node_modules', name), installed)
  }
  cpSync(join(packageRoot(), 'dist'), join(directory, 'dist'), { recursive: true })
  writeFileSync(join(directory, 'package.json'), '{"name":"otel-audit","type":"module"}')
  return join(directory, 'dist/cli/main.js')
}

test('otel-audit serve without the optional packages says what to install, and serves all but the metrics', async () => {
  const main = installedBeside(['commander', 'pg', '@opentelemetry/api', 'hono', '@hono/node-server'])
  const child = spawn(process.execPath, [main, 'serve', '--port', '0'], {
    cwd: dirname(main),
    env: { DATABASE_URL: database.url, NOETL_INTERNAL_API_TOKEN: 'canary-serve-77aa' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const printed = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      printed[name] += text
    })
  }
  const url = await waitUntil('its address', () => /^http:\S+/.exec(printed.stdout)?.[0])
  expect(printed.stderr).toBe(
    '/metrics is not available: AUDIT_MISSING_PACKAGE: @opentelemetry/sdk-metrics is not installed: npm install @opentelemetry/sdk-metrics @opentelemetry/exporter-prometheus\n',
  )
  const answer = await fetch(`${url}/metrics`)
  expect(answer.status).toBe(404)
  expect(await answer.json()).toMatchObject({ detail: 'This server exposes no metrics.' })
  expect((await fetch(`${url}/readyz`)).status).toBe(200)
  child.kill('SIGTERM')
  expect(await once(child, 'exit')).toEqual([0, null])
})
