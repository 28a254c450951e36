import { cp, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { packageFile } from '../../src/host/package-file.js'
import { migratedDatabase, type TestDatabase } from '../support/database.js'
import { packageRoot } from '../support/postgres/package-root.js'
import { Program } from '../support/program.js'

// A bundler takes the code and leaves the files beside it: SQL, workers, the console. That is said at once, and as what it is.

let directory: string
let database: TestDatabase

/** The code of the package, without one file that is not a module of it. */
beforeAll(async () => {
  database = await migratedDatabase()
  directory = await mkdtemp(join(tmpdir(), 'otel-audit-bundled-'))
  const code = join(directory, 'dist')
  await cp(join(packageRoot(), 'dist'), code, { recursive: true })
  const files = await readdir(code, { recursive: true })
  for (const file of files) {
    if (/\.(sql|html|css|svg)$/.test(file) || /(^|\/)(worker|inspect-process)\.js$/.test(file))
      await rm(join(code, file))
  }
  await writeFile(join(directory, 'package.json'), '{"type":"module"}')
  await symlink(join(packageRoot(), 'node_modules'), join(directory, 'node_modules'))
})

afterAll(async () => {
  await rm(directory, { recursive: true })
  await database.drop()
})

async function said(body: string): Promise<string> {
  const app = join(directory, `app-${Math.random()}.mjs`)
  await writeFile(app, `import { createAudit } from './dist/index.js'\n${body}`)
  const program = new Program({ args: [app], cwd: directory, env: { DATABASE_URL: database.url } })
  const { code } = await program.exit
  expect([code, program.stderr]).toEqual([0, expect.anything()])
  return program.stdout
}

describe('a service whose bundle has the code and not the files', () => {
  test('does not start in strict mode, and is told why', async () => {
    const text = await said(`
      const audit = createAudit({ serviceName: 'bundled', strict: true })
      await audit.start().catch((error) => console.log(error.code, String(error.cause?.message ?? error.message)))
      await audit.close()`)
    expect(text).toContain('AUDIT_PACKAGE')
    expect(text).not.toContain('no connection')
  })

  test('refuses a strict record at once, and not at its deadline', async () => {
    const text = await said(`
      const audit = createAudit({ serviceName: 'bundled' })
      await audit.start()
      await audit.service.recordStrict({ credential: 'c', operation: 'get_credential', outcome: 'ok' }, { deadlineMs: 600_000 })
        .catch((error) => console.log(error.code, error.row, error.message))
      await audit.close(1)`)
    expect(text).toContain('AUDIT_UNAVAILABLE not-stored')
    expect(text).toContain('AUDIT_PACKAGE')
  })

  test('is told so of the thread that would write', async () => {
    const text = await said(`
      const audit = createAudit({ serviceName: 'bundled', writerThread: true })
      await audit.start()
      await audit.service.recordStrict({ credential: 'c', operation: 'get_credential', outcome: 'ok' }, { deadlineMs: 600_000 })
        .catch((error) => console.log(error.code, error.row, error.message))
      await audit.close(1)`)
    expect(text).toContain('AUDIT_UNAVAILABLE not-stored')
    expect(text).toContain('AUDIT_PACKAGE: ./worker.js of otel-audit is not beside its code')
  })
})

test.each([
  ['there is nothing beside the code', import.meta.url],
  ['there is no place of the code, as in CommonJS that a bundler made', undefined],
  ['there is something else in its place', ''],
])('%s', (_, base) => {
  expect(() => packageFile('./no-such.sql', base)).toThrow(expect.objectContaining({ code: 'AUDIT_PACKAGE' }))
})
