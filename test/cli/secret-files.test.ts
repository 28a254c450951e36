import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { migratedDatabase, type TestDatabase } from '../support/database.js'
import { packageRoot } from '../support/postgres/package-root.js'
import { Program } from '../support/program.js'
import { otelAudit } from './otel-audit.js'

// Everything that is secret comes from files, as an orchestrator mounts them: nothing of it is in the environment.

const FIRST = 'canary-first-20a6'
const SECOND = 'canary-second-7f31'
/** A changing file is looked at once in a second. */
const LOOKED_AT_MS = 1100

let database: TestDatabase
let directory: string
let env: Record<string, string>

beforeAll(async () => {
  database = await migratedDatabase()
  directory = mkdtempSync(join(tmpdir(), 'otel-audit-secret-files-'))
  env = { DATABASE_URL_FILE: file('url', database.url) }
})

afterAll(async () => {
  rmSync(directory, { recursive: true })
  await database.drop()
})

function file(name: string, text: string): string {
  const path = join(directory, name)
  writeFileSync(path, `${text}\n`)
  return path
}

test('serve takes database, token and cursor key from files, and another token while it runs', async () => {
  const token = file('token', FIRST)
  const server = new Program({
    args: [join(packageRoot(), 'dist/cli/main.js'), 'serve', '--port', '0'],
    cwd: directory,
    env: {
      ...env,
      NOETL_INTERNAL_API_TOKEN_FILE: token,
      NOETL_SECRET_AUDIT_CURSOR_KEY_FILE: file('cursor-key', 'canary-cursor-9b52'),
    },
  })
  onTestFinished(() => server.kill())
  while (!/^http/m.test(server.stdout)) {
    if (server.child.exitCode !== null) throw new Error(server.stderr)
    await pause(20)
  }
  const statusWith = async (secret: string): Promise<number> => {
    const answer = await fetch(`${server.stdout.trim()}/api/internal/secret-audit`, {
      headers: { authorization: `Bearer ${secret}` },
    })
    await answer.arrayBuffer()
    return answer.status
  }
  expect([await statusWith(FIRST), await statusWith(SECOND)]).toEqual([200, 403])
  file('token', SECOND)
  const later = new Date(Date.now() + 10_000)
  utimesSync(token, later, later)
  await pause(LOOKED_AT_MS)
  expect([await statusWith(SECOND), await statusWith(FIRST)]).toEqual([200, 403])
  expect((await server.terminate()).code).toBe(0)
  expect(server.stdout + server.stderr).not.toContain('canary')
})

test.each([
  ['doctor', ['doctor']],
  ['migrate', ['migrate']],
  ['query', ['query']],
  ['summary', ['summary']],
  ['coverage', ['coverage']],
  ['verify', ['verify']],
  ['quarantine list', ['quarantine', 'list']],
  ['keys create', ['keys', 'create', '--out', '-']],
  ['trust init', ['trust', 'init', '--out', '-']],
])('%s takes the database from a file', async (_, args) => {
  const { code, stderr } = await otelAudit(args, env)
  expect([code, stderr.includes('no database')], stderr).toEqual([0, false])
})

test('a file that is not there is named, and where it was asked for', async () => {
  const missing = { DATABASE_URL_FILE: join(directory, 'none') }
  const { code, stderr } = await otelAudit(['query'], missing)
  expect([code, stderr]).toEqual([1, expect.stringContaining('databaseUrlFile cannot be read (ENOENT)')])
})
