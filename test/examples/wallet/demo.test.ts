import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { formIn } from '../../../examples/wallet/demo/canary.js'
import { writesCounted } from '../../../examples/wallet/demo/exposition.js'
import {
  attributeOf,
  OtlpReceiver,
  type OtlpSpan,
  SERVER_KIND,
} from '../../../examples/wallet/demo/otlp-receiver.js'
import type { TrailRow } from '../../../examples/wallet/demo/trail.js'
import { emptyDatabase } from '../../support/database.js'
import { packageRoot } from '../../support/postgres/package-root.js'
import { exportsProveTheTrail } from './exported-anchors.js'
import { descendants, type ProcessInfo, survivors } from './process-tree.js'
import { waitUntil } from './wait-until.js'

/** A directory of temporary files for the demo alone: what is in it afterwards, the demo has left behind. */
let temporary: string

beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'otel-audit-demo-test-'))
  await chmod(temporary, 0o755)
})

afterEach(async () => {
  await rm(temporary, { recursive: true, force: true })
})

class RunningDemo {
  readonly child: ChildProcess
  readonly #offspring = new Map<string, ProcessInfo>()
  readonly #stdout: Promise<string>
  readonly #stderr: Promise<string>
  readonly #exit: Promise<unknown[]>

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const main = join(packageRoot(), 'build', 'examples', 'wallet', 'demo', 'main.js')
    const { DATABASE_URL: _, DEMO_OTLP_FORWARD: __, ...inherited } = process.env
    this.child = spawn(process.execPath, [main, ...args], {
      cwd: packageRoot(),
      env: { ...inherited, TMPDIR: temporary, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#exit = once(this.child, 'exit')
    const whole = async (stream: Readable | null) => (stream === null ? '' : text(stream).catch(() => ''))
    this.#stdout = whole(this.child.stdout)
    this.#stderr = whole(this.child.stderr)
  }

  /** Notes the processes that the demo has started and that live at this moment. */
  look(): number {
    for (const found of descendants(this.child.pid ?? 0))
      this.#offspring.set(`${found.pid} ${found.started}`, found)
    return this.#offspring.size
  }

  /** How many processes the demo itself has started, without theirs. */
  children(): number {
    return descendants(this.child.pid ?? 0).filter(({ parent }) => parent === this.child.pid).length
  }

  async ended(): Promise<{ code: unknown; signal: unknown; stdout: string; stderr: string }> {
    const timer = setInterval(() => this.look(), 50)
    const [code, signal] = await this.#exit
    clearInterval(timer)
    return { code, signal, stdout: await this.#stdout, stderr: await this.#stderr }
  }

  /** The processes of the demo that outlive it. */
  survivors(): ProcessInfo[] {
    return survivors(this.#offspring.values())
  }
}

async function nothingIsLeft(demo: RunningDemo): Promise<void> {
  await waitUntil('no process', () => demo.survivors().length === 0)
  await waitUntil('no temporary file', async () => (await readdir(temporary)).length === 0)
}

interface Document {
  readonly rows: readonly TrailRow[]
  readonly metrics: Readonly<Record<string, string>>
  readonly spans: readonly OtlpSpan[]
  readonly requests: number
  readonly canary: string
}

const OPERATIONS = ['get_sealed', 'cross_region_broker_serve', 'resolve_keychain', 'get_credential']
const OUTCOMES = [
  'ok',
  'residency_violation',
  'broker_unreachable',
  'credential_not_found',
  'no_pubkey',
  'wrong_region',
  'provider_fetch_error',
  'template_error',
]

function holds({ rows, metrics, spans, requests, canary }: Document): void {
  const accesses = rows.filter(({ operation }) => OPERATIONS.includes(operation))
  expect(accesses.map(({ operation }) => operation)).toEqual(expect.arrayContaining(OPERATIONS))
  expect(accesses.map(({ outcome }) => outcome)).toEqual(expect.arrayContaining(OUTCOMES))
  // A request begins one trace, and leaves one event in the region that was asked.
  expect(accesses.filter(({ server_region }) => server_region === 'eu-central')).toHaveLength(requests)
  expect(new Set(accesses.map(({ trace_id }) => trace_id)).size).toBe(requests)

  for (const row of accesses) {
    expect(row.audit_id).toMatch(/^\d+$/)
    const own = spans.filter(({ attributes }) => attributeOf(attributes, 'audit.record.id') === row.audit_id)
    expect(own).toHaveLength(1)
    const [span] = own
    expect(span).toMatchObject({
      name: `secret_audit ${row.operation}`,
      traceId: row.trace_id,
      spanId: row.span_id,
    })
    expect(span?.events.map(({ name }) => name)).toEqual(['secret.access'])
    const trace = spans.filter(({ traceId }) => traceId === row.trace_id)
    const roots = trace.filter(({ parentSpanId }) => !parentSpanId)
    expect(roots).toHaveLength(1)
    expect(roots[0]?.kind).toBe(SERVER_KIND)
    for (const { parentSpanId } of trace) {
      if (parentSpanId) expect(trace.map(({ spanId }) => spanId)).toContain(parentSpanId)
    }
  }

  expect(writesCounted(metrics, 'written')).toBe(rows.length)
  for (const place of [rows, metrics, spans]) expect(formIn(JSON.stringify(place), canary)).toBeUndefined()
}

describe('the demo', () => {
  it.each([
    ['async', []],
    ['strict', ['--strict']],
  ])('%s, once, as JSON', async (_, mode) => {
    const demo = new RunningDemo(['--once', '--json', ...mode])
    const { code, stdout, stderr } = await demo.ended()
    expect(stderr).not.toContain('✗')
    expect(code).toBe(0)
    holds(JSON.parse(stdout) as Document)
    await nothingIsLeft(demo)
  })

  it('once, for people, with a database and a receiver of the user’s own', async () => {
    const database = await emptyDatabase()
    const receiver = await OtlpReceiver.start()
    try {
      const demo = new RunningDemo(['--once'], {
        DATABASE_URL: database.url,
        DEMO_OTLP_FORWARD: receiver.url,
      })
      const { code, stdout } = await demo.ended()
      expect(code).toBe(0)
      expect(stdout).not.toContain('✗')
      expect(stdout).not.toContain('\u001b')
      for (const shown of [
        'get_sealed',
        'noetl_secret_audit_writes_total',
        '◆ secret.access',
        'billing (curl)',
        'docs/demo.md',
      ]) {
        expect(stdout).toContain(shown)
      }
      const audited = receiver.spans.filter(({ name }) => name.startsWith('secret_audit get_credential'))
      expect(audited.length).toBeGreaterThan(0)
      await nothingIsLeft(demo)
      await exportsProveTheTrail(database, receiver.spans)
    } finally {
      await receiver.close()
      await database.drop()
    }
  })

  it.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)(
    '%s while it goes on: nothing is left',
    async (signal) => {
      const demo = new RunningDemo([])
      let said = ''
      demo.child.stdout?.on('data', (chunk: Buffer) => {
        said += chunk.toString()
      })
      const ended = demo.ended()
      await waitUntil('light traffic', () => /Light traffic goes on[^]*\n\d{3} {2}/.test(said))
      const [, console = '', token = ''] = /the console: (http:\S+) {2}token: (\S+)/.exec(said) ?? []
      expect((await fetch(console)).status).toBe(200)
      const trail = new URL('/api/internal/secret-audit?operation=get_sealed', console)
      const answer = await fetch(trail, { headers: { authorization: `Bearer ${token}` } })
      expect(await answer.json()).toMatchObject({ rows: expect.arrayContaining([expect.anything()]) })
      expect((await fetch(trail)).status).toBe(401)
      expect(demo.look()).toBeGreaterThan(4)
      demo.child.kill(signal)
      const { code } = await ended
      expect(code).toBe({ SIGINT: 130, SIGTERM: 143, SIGKILL: null }[signal])
      await nothingIsLeft(demo)
    },
  )

  it('nobody reads any more: nothing is left', async () => {
    const demo = new RunningDemo(['--once'])
    demo.child.stdout?.once('data', () => demo.child.stdout?.destroy())
    const { code, stderr } = await demo.ended()
    expect(code).toBe(141)
    expect(stderr).toBe('')
    await nothingIsLeft(demo)
  })

  it('SIGKILL while it starts: nothing is left', async () => {
    const demo = new RunningDemo(['--once'])
    const ended = demo.ended()
    // The watchdog, the postmaster, and the three services.
    await waitUntil('the services', () => demo.look() > 4 && demo.children() > 4)
    demo.child.kill('SIGKILL')
    await ended
    await nothingIsLeft(demo)
  })
})

describe('what goes wrong for a new user has a message', () => {
  it.each([
    [
      'an unreachable database',
      [],
      { DATABASE_URL: 'postgres://me:hunter2@127.0.0.1:9/db' },
      '127.0.0.1:9/db',
    ],
    ['a database that is no URL', [], { DATABASE_URL: 'localhost' }, 'DATABASE_URL'],
    ['an unknown option', ['--onse'], {}, '--onse'],
    ['a receiver that is no URL', [], { DEMO_OTLP_FORWARD: 'collector' }, 'DEMO_OTLP_FORWARD'],
  ])('%s', async (_, args, env, message) => {
    const { code, stdout, stderr } = await new RunningDemo(args, env).ended()
    expect(code).toBe(1)
    expect(stderr).toContain(message)
    expect(stderr + stdout).not.toContain('hunter2')
    expect(stderr).not.toMatch(/\n {4}at /)
  })

  it('and --help tells what there is', async () => {
    const { code, stdout } = await new RunningDemo(['--help']).ended()
    expect(code).toBe(0)
    for (const name of ['--once', '--strict', '--json', 'DATABASE_URL', 'DEMO_OTLP_FORWARD']) {
      expect(stdout).toContain(name)
    }
  })
})
