import { setTimeout as sleep } from 'node:timers/promises'
import { AuditServer } from './audit-server.js'
import { WalletClient } from './client.js'
import { Command } from './command.js'
import { type DemoDatabase, openDatabase } from './database.js'
import { collect, type Evidence } from './evidence.js'
import { accessElsewhere } from './foreign-service.js'
import type { DemoOptions } from './options.js'
import { paletteFor } from './palette.js'
import { counterLines, findingLines, traceLines, trailLines, type View, zeroCodeLines } from './report.js'
import { type Stage, startStage } from './stage.js'
import { ordinary, Traffic } from './traffic.js'
import type { TrailRow } from './trail.js'
import { type Finding, verify } from './verify.js'

/** Requests beyond one for each branch. */
const ORDINARY_REQUESTS = 40

/** Milliseconds between requests while the demo goes on. */
const PAUSE = 1000

type Print = (text: string) => void

const log: Print = (line) => void process.stderr.write(`${line}\n`)

/** One run of the demo. Everything it opens is closed by `close`, in whatever state it is. */
export class Demo {
  readonly #options: DemoOptions
  readonly #print: Print
  readonly #say: Print
  readonly #view: View
  readonly #closers: (() => Promise<void>)[] = []
  #closed: Promise<void> | undefined

  constructor(options: DemoOptions) {
    this.#options = options
    this.#print = (text) => process.stdout.write(`${text}\n`)
    this.#say = options.json ? (text) => process.stderr.write(`${text}\n`) : this.#print
    const width = process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY
    this.#view = { width, palette: paletteFor(process.stdout, process.env) }
  }

  /** Returns the exit code: 0 when everything is as it should be. */
  async run(): Promise<number> {
    const options = this.#options
    this.#say(options.databaseUrl === undefined ? 'Starting an embedded Postgres …' : 'Using DATABASE_URL …')
    const database = await openDatabase(options.databaseUrl)
    this.#closers.push(() => database.close())
    this.#say('Migrated. Starting the wallet in eu-central and us-east, and the provider …')
    const stage = await this.#startStage(database)
    const client = new WalletClient(stage.fixture)
    const traffic = new Traffic(stage, client)
    const taken = await traffic.takeAll(ORDINARY_REQUESTS, (done, all) => this.#progress(done, all))
    this.#say('Waiting until everything is stored, exported and counted …')
    const evidence = await collect(stage, database.ownerUrl, taken)
    const findings = verify(taken, evidence, stage.fixture.canary)
    if (options.json) {
      this.#print(JSON.stringify({ ...evidence, requests: client.sent, canary: stage.fixture.canary }))
      for (const line of findingLines(findings, this.#view)) this.#say(line)
    } else {
      this.#report(evidence, findings, await this.#elsewhere(database))
      this.#whereNext(stage, database, await this.#startServer(database))
    }
    if (!options.once) await this.#goOn(traffic)
    await this.close()
    return this.#exitCode(stage, findings)
  }

  get closing(): boolean {
    return this.#closed !== undefined
  }

  /** Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#closeAll()
    return this.#closed
  }

  async #closeAll(): Promise<void> {
    for (let closer = this.#closers.pop(); closer !== undefined; closer = this.#closers.pop()) await closer()
  }

  async #startStage(database: DemoDatabase): Promise<Stage> {
    const { strict, forwardTo } = this.#options
    const stage = await startStage({
      databaseUrl: database.writerUrl,
      readerUrl: database.readerUrl,
      env: { NOETL_SECRET_AUDIT_REQUIRED: String(strict) },
      forwardTo,
      log,
    })
    this.#closers.push(() => stage.close())
    return stage
  }

  /** One access of a service in another language, by way of a gateway. */
  async #elsewhere({ writerUrl, ownerUrl }: DemoDatabase): Promise<readonly TrailRow[]> {
    const gateway = await Command.start('gateway', { DATABASE_URL: writerUrl }, log)
    this.#closers.push(() => gateway.stop())
    return accessElsewhere(gateway.url, ownerUrl)
  }

  /** The console is of use only when the demo goes on. */
  async #startServer(database: DemoDatabase): Promise<AuditServer | undefined> {
    if (this.#options.once) return undefined
    const server = await AuditServer.start(database, this.#options.traceUrl, log)
    this.#closers.push(() => server.stop())
    return server
  }

  #progress(done: number, all: number): void {
    if (!this.#options.json && process.stdout.isTTY) {
      process.stdout.write(`\r${done} of ${all} requests answered${done === all ? '\n' : ''}`)
    } else if (done % 25 === 0 || done === all) {
      this.#say(`${done} of ${all} requests answered`)
    }
  }

  #report(evidence: Evidence, findings: readonly Finding[], elsewhere: readonly TrailRow[]): void {
    const title = (text: string) => ['', this.#view.palette.strong(text), '']
    const lines = [
      ...title('The trail, read back from Postgres'),
      ...trailLines(evidence.rows, this.#view),
      ...title('An access of another service, which sent its span to otel-audit gateway as curl would'),
      ...trailLines(elsewhere, this.#view),
      ...title('The counters, scraped from the Prometheus endpoints of the services (those above zero)'),
      ...counterLines(evidence.metrics, this.#view),
      ...title('One trace: a sealed delivery through another region, with the audit event of each'),
      ...traceLines(evidence, this.#view),
      ...title(
        'Another: the provider reads a token from its Vault by node-vault, and has no line about audit',
      ),
      ...zeroCodeLines(evidence, this.#view),
      ...title('What this run shows'),
      ...findingLines(findings, this.#view),
    ]
    this.#print(lines.join('\n'))
  }

  #whereNext(stage: Stage, { ownerUrl, embedded }: DemoDatabase, server: AuditServer | undefined): void {
    const lines = ['', this.#view.palette.strong('Where to look next'), '']
    if (server !== undefined) {
      lines.push(
        `  the console: ${server.url}  token: ${server.token}`,
        ...stage.services.map(({ name, url, metricsUrl }) => `  ${name}: ${url}  metrics: ${metricsUrl}`),
      )
      const psql = embedded ? `psql '${ownerUrl}'` : 'psql "$DATABASE_URL"'
      lines.push(`  ${psql} -c 'select * from noetl.secret_audit order by audit_id desc limit 20'`)
    }
    lines.push('  examples/wallet/README.md   the service, and all its branches in one table')
    lines.push('  docs/demo.md                what the demo starts, and how to feed it your own collector')
    this.#print(lines.join('\n'))
  }

  async #goOn(traffic: Traffic): Promise<void> {
    this.#print('\nLight traffic goes on; Ctrl-C ends it.\n')
    while (!this.closing) {
      const { branch, reply } = await traffic.take(ordinary())
      const { outcome, operation } = branch.events[0]
      this.#print(`${reply.status}  ${operation}  ${outcome}  ${branch.credential}`)
      await sleep(PAUSE)
    }
  }

  #exitCode(stage: Stage, findings: readonly Finding[]): number {
    const { notForwarded } = stage.receiver
    if (notForwarded > 0) {
      process.stderr.write(`demo: ${notForwarded} exports could not be passed on to DEMO_OTLP_FORWARD\n`)
    }
    return findings.some(({ faults }) => faults.length > 0) || notForwarded > 0 ? 1 : 0
  }
}
