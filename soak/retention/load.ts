import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { Ticket } from '../../src/contract/ticket.js'
import type { AuditError } from '../../src/errors.js'
import type { AuditEvent } from '../../src/event/event.js'
import { DurableAuditExporter } from '../../src/exporter/exporter.js'
import { anEvent } from '../../test/support/events.js'
import { SeededRandom } from '../random.js'
import type { OldMonths } from './old-months.js'

/** How long a caller waits: longer than a server is away. */
const DEADLINE_MS = 120_000

/**
 * Services at work: one that records what happens now, and one that brings what happened in months that are over. Each call is
 * strict, and what was granted is remembered.
 */
export class Load {
  readonly #trail: OldMonths
  readonly #exporter: DurableAuditExporter
  readonly #random: SeededRandom
  readonly #months: number
  readonly #work: readonly Promise<void>[]
  /** Ids of the events whose callers were told that they are stored. */
  readonly granted = new Set<bigint>()
  /** Of those, the ones that are older than the month that is not over. */
  #late = 0
  readonly refused: string[] = []
  #slowestMs = 0
  #isEnding = false

  /** @param months so many of the oldest get late events */
  constructor(trail: OldMonths, months: number, seed: number) {
    this.#trail = trail
    this.#months = months
    this.#random = new SeededRandom(seed)
    this.#exporter = new DurableAuditExporter({ sink: trail.sink('wallet at work'), lingerMs: 0 })
    this.#work = [this.#now(), this.#older()]
  }

  get late(): number {
    return this.#late
  }

  /** How long a caller has waited at most for an event of now, in ms, since this was asked last. */
  slowestMs(): number {
    const slowest = this.#slowestMs
    this.#slowestMs = 0
    return slowest
  }

  async end(): Promise<void> {
    this.#isEnding = true
    await Promise.all(this.#work)
    await this.#exporter.close(DEADLINE_MS)
  }

  async #now(): Promise<void> {
    while (!this.#isEnding) {
      const began = performance.now()
      await this.#record(anEvent({ credential: 'now' }))
      this.#slowestMs = Math.max(this.#slowestMs, performance.now() - began)
      await sleep(5)
    }
  }

  async #older(): Promise<void> {
    while (!this.#isEnding) {
      const month = this.#random.between(0, this.#months - 1)
      if (await this.#record(this.#trail.event(month, undefined, 'late'))) this.#late++
      await sleep(20)
    }
  }

  async #record(event: AuditEvent): Promise<boolean> {
    const ticket = new Ticket('strict', DEADLINE_MS, 0)
    ticket.seal(event)
    const error = await new Promise<AuditError | undefined>((resolve) => {
      ticket.onAnswer(resolve)
      this.#exporter.submit(ticket)
    })
    if (error === undefined) this.granted.add(event.auditId)
    else this.refused.push(error.message)
    return error === undefined
  }
}

/** Readers one after another, so that there is always one, and sometimes one that has just begun. */
export class Readers {
  readonly #trail: OldMonths
  readonly #holdMs: number
  readonly #work: Promise<void>
  readonly #open = new Set<Promise<void>>()
  #isEnding = false

  /** @param holdMs how long each keeps its snapshot */
  constructor(trail: OldMonths, holdMs: number) {
    this.#trail = trail
    this.#holdMs = holdMs
    this.#work = this.#begin()
  }

  async end(): Promise<void> {
    this.#isEnding = true
    await this.#work
    await Promise.all(this.#open)
  }

  async #begin(): Promise<void> {
    while (!this.#isEnding) {
      // The server may be away.
      const one = this.#read().catch(() => {})
      this.#open.add(one)
      void one.finally(() => this.#open.delete(one))
      await sleep(this.#holdMs / 10)
    }
  }

  async #read(): Promise<void> {
    const reader = await Reader.begin(this.#trail)
    await sleep(this.#holdMs)
    await reader.end()
  }
}

/** A transaction that has looked at the trail, and goes on. */
export class Reader {
  readonly #client: Client
  readonly pid: number

  private constructor(client: Client, pid: number) {
    this.#client = client
    this.pid = pid
  }

  static async begin({ ownerUrl }: OldMonths): Promise<Reader> {
    const client = new Client({ connectionString: ownerUrl, application_name: 'a reader' })
    client.on('error', () => {})
    await client.connect()
    try {
      await client.query('begin isolation level repeatable read')
      const { rows } = await client.query<{ pid: number }>(
        'select pg_backend_pid() as pid from (select count(*) from noetl.secret_audit) counted',
      )
      return new Reader(client, rows[0]?.pid ?? 0)
    } catch (error) {
      await client.end().catch(() => {})
      throw error
    }
  }

  async end(): Promise<void> {
    await this.#client.query('commit').catch(() => {})
    await this.#client.end().catch(() => {})
  }
}
