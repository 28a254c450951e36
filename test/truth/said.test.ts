import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { migrate } from '../../src/postgres/migrate/migrate.js'
import { packageRoot } from '../support/postgres/package-root.js'
import { type PostgresServer, startPostgres } from '../support/postgres/server.js'
import { Program } from '../support/program.js'
import { readTrail } from '../support/trail.js'
import { waitUntil } from '../support/wait-until.js'

// A service that sets no logger, and never calls start(): nothing is lost in silence, and nothing strict is released
// before the self-test.

let server: PostgresServer

beforeAll(async () => {
  server = await startPostgres()
  await migrate({ databaseUrl: server.url(), roles: true })
})

afterAll(() => server.close())

function service(steps: string, options: object = {}, env: Readonly<Record<string, string>> = {}): Program {
  const program = new Program({
    args: [join(packageRoot(), 'test/truth/apps/records.mjs'), JSON.stringify(options), steps],
    cwd: packageRoot(),
    env: { U: server.url(), ...env },
  })
  onTestFinished(() => program.kill())
  return program
}

const count = (text: string, part: string): number => text.split(part).length - 1

describe('without start()', () => {
  it('the first record starts it: rows of its life are there', async () => {
    const program = service('strict,close', { serviceName: 'by itself' })
    expect(await program.exit).toEqual({ code: 0, signal: null })
    const rows = (await readTrail(server.url())).filter(({ event }) => event.serviceName === 'by itself')
    expect(rows.map(({ event }) => event.outcome).sort()).toEqual(['ok', 'started', 'stopped'])
  })

  it.each(['strict', 'guard', 'mode'])(
    'nothing strict is granted that the self-test forbids: %s',
    async (step) => {
      await server.query('alter system set full_page_writes = off')
      await server.query('select pg_reload_conf()')
      onTestFinished(async () => {
        await server.query('alter system reset full_page_writes')
        await server.query('select pg_reload_conf()')
      })
      const program = service(`${step},${step},close`, { strict: true })
      await program.exit
      expect(program.stdout).toBe('refused AUDIT_SELF_TEST not-stored\nrefused AUDIT_SELF_TEST not-stored\n')
      expect(program.stderr).toContain('full_page_writes')
    },
  )

  it('a start that failed is tried again by a later record', async () => {
    await server.query('create database late')
    const program = service('strict,wait,strict,close', { strict: true }, { U: server.url('late') })
    await program.says('waits')
    expect(program.stdout).toContain('refused')
    await migrate({ databaseUrl: server.url('late') })
    await new Promise((resolve) => setTimeout(resolve, 2500))
    program.signal('SIGUSR1')
    await program.exit
    expect(program.stdout).toContain('receipt')
  })
})

describe('on stderr', () => {
  const wrong = (): Record<string, string> => ({ U: 'postgres://orders:WRONG-canary@127.0.0.1:1/app' })

  it('what is lost is said, and why', async () => {
    const program = service('async,async,async,close', { closeTimeoutMs: 300 }, wrong())
    expect((await program.exit).code).toBe(0)
    expect(program.stderr).toMatch(/self-test: store: |wait for the database/)
    expect(count(program.stderr, 'audit event dropped: audit id')).toBe(3)
    expect(program.stderr).not.toContain('canary')
  })

  it('what is recorded after close is said', async () => {
    const program = service('strict,close,async,guard,strict')
    await program.exit
    expect(program.stdout).toContain('released')
    expect(count(program.stderr, 'the audit pipeline is closed')).toBe(3)
  })

  it('a service without a name is said once, one with a name is not', async () => {
    const nameless = service('strict,strict,start,close')
    const named = service('strict,close', {}, { OTEL_SERVICE_NAME: 'orders' })
    await Promise.all([nameless.exit, named.exit])
    expect(count(nameless.stderr, 'OTEL_SERVICE_NAME')).toBe(1)
    expect(named.stderr).not.toContain('OTEL_SERVICE_NAME')
  })

  it('an outage is said with growing pauses, and its end once, with how many and how long', async () => {
    const other = await startPostgres()
    onTestFinished(() => other.close())
    await migrate({ databaseUrl: other.url(), roles: true })
    const program = service(
      'strict,wait,async,async,async,pause,wait,flush,close',
      { lingerMs: 0 },
      { U: other.url() },
    )
    await program.says('waits')
    await other.stop()
    program.signal('SIGUSR1')
    await waitUntil('the outage to be said', () => program.stderr.includes('wait for the database'))
    await new Promise((resolve) => setTimeout(resolve, 4000))
    await other.start()
    await waitUntil('its end to be said', () => program.stderr.includes('stored again: '))
    program.signal('SIGUSR1')
    await program.exit
    expect(program.stderr).toMatch(/stored again: [34] events, after \d+ s/)
    expect(count(program.stderr, 'stored again')).toBe(1)
    expect(count(program.stderr, 'wait for the database')).toBeLessThanOrEqual(4)
  })

  it.each([
    ['NONE', 0],
    ['ERROR', 2],
  ])('OTEL_LOG_LEVEL=%s holds there, too', async (level, dropped) => {
    const program = service(
      'async,async,close',
      { closeTimeoutMs: 100 },
      { ...wrong(), OTEL_LOG_LEVEL: level },
    )
    await program.exit
    expect(count(program.stderr, 'audit event dropped')).toBe(dropped)
    expect(program.stderr).not.toContain('wait for the database')
  })
})
