import type { Client } from 'pg'
import type { Browser, Page } from 'playwright-core'
import { PostgresAuditSink } from 'otel-audit'
import type { EvidenceSource, Trust } from 'otel-audit/query'
import { onTestFinished } from 'vitest'
import { idAt } from '../postgres/adopt/original-table.js'
import { type Served, served, TOKEN } from '../server/served.js'
import { coverageRow } from '../../src/event/self-rows.js'
import { anEvent, batchOf } from '../support/events.js'
import { launchChromium } from '../support/chromium.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'

export const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
export const HOSTILE = '<img src=x onerror="document.title=1">'
export const HOUR = 3_600_000
export const ROWS = 130

export interface Opened {
  readonly page: Page
  readonly server: Served
  /** What the browser complained about: scripts that failed, and what the policy refused. */
  readonly complaints: string[]
  readonly requests: readonly string[]
}

export interface View {
  readonly path?: string
  readonly width?: number
  readonly colorScheme?: 'light' | 'dark'
  readonly evidence?: EvidenceSource
  readonly trust?: Trust
  readonly isSignedIn?: boolean
  /** Whether there will be something to see. */
  readonly isWaitedFor?: boolean
}

/** A trail of {@link ROWS} ordinary rows and a hostile one, and a browser to look at it. */
export class BrowsedTrail {
  readonly database: TestDatabase
  readonly client: Client
  readonly #browser: Browser

  private constructor(database: TestDatabase, client: Client, browser: Browser) {
    this.database = database
    this.client = client
    this.#browser = browser
  }

  /** @param fillIn what is put into a trail that is new */
  static async start(
    fillIn: (client: Client, url: string) => Promise<unknown> = fill,
  ): Promise<BrowsedTrail> {
    const database = await migratedDatabase()
    const client = await connect(database.url)
    await fillIn(client, database.url)
    const sink = new PostgresAuditSink({ databaseUrl: database.url })
    await sink.close()
    return new BrowsedTrail(database, client, await launchChromium())
  }

  async open({
    path = '/',
    width = 1280,
    colorScheme = 'light',
    evidence,
    trust,
    isSignedIn = true,
    isWaitedFor = isSignedIn,
  }: View = {}): Promise<Opened> {
    const server = await served(this.database.url, {
      evidence,
      trust,
      traceUrl: 'https://jaeger.example/trace/{trace_id}',
    })
    const context = await this.#browser.newContext({ viewport: { width, height: 900 }, colorScheme })
    onTestFinished(() => context.close())
    context.setDefaultTimeout(60_000)
    if (isSignedIn) await context.addInitScript((token) => sessionStorage.setItem('token', token), TOKEN)
    const page = await context.newPage()
    const complaints: string[] = []
    const requests: string[] = []
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
    })
    page.on('pageerror', (error) => complaints.push(String(error)))
    page.on('request', (request) => requests.push(request.url()))
    await page.goto(server.url + path)
    if (isWaitedFor) await settled(page)
    return { page, server, complaints, requests }
  }

  /** A process says how one of its clients is covered. */
  async states(coverage: Omit<Parameters<typeof coverageRow>[0], 'node' | 'since'>): Promise<void> {
    const row = coverageRow({ ...coverage, node: process.version, since: new Date().toISOString() })
    const sink = new PostgresAuditSink({ databaseUrl: this.database.url })
    await sink.write(batchOf(anEvent({ ...row, executionId: undefined }, { serviceName: 'orders' })))
    await sink.close()
  }

  async close(): Promise<void> {
    await this.#browser.close()
    await this.client.end()
    await this.database.drop()
  }
}

async function fill(client: Client): Promise<void> {
  const insert = `insert into noetl.secret_audit (audit_id, occurred_at, credential, operation, outcome, worker_id, execution_id, trace_id, server_region, notes)
    values ($1, 'epoch'::timestamptz + $2 * interval '1 ms', $3, 'get_credential', $4, $5, $6, $7, 'eu-1', $8)`
  for (let i = 0; i < ROWS; i++) {
    const at = Date.now() - (i % 23) * HOUR
    const outcome = i % 9 === 0 ? 'no_pubkey' : 'ok'
    const credential = i % 10 === 0 ? 'billing-db' : 'orders-db'
    await client.query(insert, [idAt(at, i), at, credential, outcome, `worker-${i % 3}`, i, TRACE, 'note'])
  }
  await client.query(insert, [idAt(Date.now(), 5000), Date.now(), HOSTILE, 'ok', HOSTILE, 5, TRACE, HOSTILE])
}

/** Until everything that was asked for is shown. */
export async function settled(page: Page): Promise<void> {
  await page.waitForFunction(() => {
    const results = document.getElementById('results')
    return results !== null && !results.hasAttribute('aria-busy') && results.childElementCount > 0
  })
}
