import { expect } from 'vitest'
import { AuditError } from '../../src/errors.js'
import { eventDigest } from '../../src/event/digest.js'
import type { AuditEvent, AuditFields } from '../../src/event/event.js'
import type { Fate } from '../../src/exporter/entry.js'
import type { DurableAuditExporter } from '../../src/exporter/exporter.js'
import type { Receipt } from '../../src/contract/receipt.js'
import { type AuditMode, Ticket } from '../../src/contract/ticket.js'
import { anEvent } from './events.js'
import type { TrailRow } from './trail.js'

/** What a strict caller was told. */
type Answer = Receipt | AuditError

export interface Submission {
  readonly event: AuditEvent
  readonly mode: AuditMode
  /** What the caller is told. Never rejects; async: never resolves. */
  readonly answer: Promise<Answer>
  /** What became of the event. */
  readonly fate: Promise<Fate>
}

interface Account {
  readonly submission: Submission
  readonly answers: Answer[]
  readonly fates: Fate[]
  readonly settle: (fate: Fate) => void
}

/** A deadline that no test reaches, in ms. */
export const NEVER_MS = 600_000

/**
 * Records events through an exporter, and writes down what it says of each. {@link check} holds all of that against
 * the rows that are really there.
 */
export class Ledger {
  readonly #exporter: DurableAuditExporter
  readonly #accounts: Account[] = []
  readonly #strangers = new Set<string>()
  /** Fates of what the exporter recorded by itself: losses, and secrets that were withheld. */
  readonly #own = new Map<bigint, Fate[]>()

  constructor(exporter: DurableAuditExporter) {
    this.#exporter = exporter
    exporter.onSettled((auditId, fate) => this.#settled(auditId, fate))
  }

  strict(fields: Partial<AuditFields> = {}, deadlineMs = NEVER_MS): Submission {
    return this.submit(anEvent(fields), 'strict', deadlineMs)
  }

  async(fields: Partial<AuditFields> = {}): Submission {
    return this.submit(anEvent(fields), 'async')
  }

  submit(event: AuditEvent, mode: AuditMode, deadlineMs = 0): Submission {
    const ticket = new Ticket(mode, deadlineMs, 0)
    ticket.seal(event)
    const answers: Answer[] = []
    let settle: (fate: Fate) => void = () => {}
    const fate = new Promise<Fate>((resolve) => {
      settle = resolve
    })
    const answer = new Promise<Answer>((resolve) => {
      if (mode === 'async') return
      ticket.onAnswer((error, receipt) => {
        const told = error ?? receipt
        if (told === undefined) throw new Error('an answer without a word')
        answers.push(told)
        resolve(told)
      })
    })
    const submission = { event, mode, answer, fate }
    this.#accounts.push({ submission, answers, fates: [], settle })
    this.#exporter.submit(ticket)
    return submission
  }

  /** The trail also has this event, which did not come through this exporter. */
  expectStranger(event: AuditEvent): void {
    this.#strangers.add(nameOf(event))
  }

  #settled(auditId: bigint, fate: Fate): void {
    const accounts = this.#accounts.filter(({ submission }) => submission.event.auditId === auditId)
    const account = accounts.find(({ fates }) => fates.length === 0) ?? accounts[0]
    if (account === undefined) {
      this.#own.set(auditId, [...(this.#own.get(auditId) ?? []), fate])
      return
    }
    account.fates.push(fate)
    account.settle(fate)
  }

  /** The one check of everything: what was acknowledged is there, nothing is there twice, and the numbers add up. */
  check(all: readonly TrailRow[]): void {
    // A row without a digest is not this library's.
    const rows = all.filter(({ digest }) => digest !== null)
    this.#checkOwn(rows)
    const byEvent = rowsByEvent(rows.filter(({ event }) => !this.#own.has(event.auditId)))
    const submitted = new Set(this.#accounts.map(({ submission }) => nameOf(submission.event)))
    for (const stranger of this.#strangers) submitted.add(stranger)
    for (const [name, found] of byEvent) {
      expect(submitted, 'a row that nobody recorded').toContain(name)
      expect(found, 'an event stored twice').toHaveLength(1)
    }
    for (const account of this.#accounts) {
      checkAccount(account, byEvent.get(nameOf(account.submission.event))?.[0])
    }
    this.#checkNumbers()
  }

  /** Whatever the trail says of itself is true. */
  #checkOwn(rows: readonly TrailRow[]): void {
    const own = rows.filter(({ event }) => this.#own.has(event.auditId))
    for (const fates of this.#own.values()) expect(fates, 'settled more than once').toHaveLength(1)
    const stored = [...this.#own.values()].filter(([fate]) => fate === 'stored')
    expect(own).toHaveLength(stored.length)
    let said = 0
    for (const { event } of own) {
      const attributes = JSON.parse(event.attributesJson ?? '{}') as Record<string, unknown>
      if (event.operation === 'audit_gap') said += Number(attributes['count'])
      else this.#checkWithheld(event, attributes['withheld'])
    }
    expect(said, 'losses that the trail tells').toBeLessThanOrEqual(this.#count(isLost))
  }

  #checkWithheld(event: AuditEvent, auditId: unknown): void {
    expect(event.outcome, 'a row that nobody recorded').toBe('withheld')
    const about = this.#accounts.find(({ submission }) => String(submission.event.auditId) === auditId)
    expect(about?.submission).toMatchObject({ mode: 'strict', event: { outcome: 'ok' } })
    expect(about?.fates).toEqual(['stored'])
    expect(about?.answers[0]).toBeInstanceOf(AuditError)
  }

  #checkNumbers(): void {
    const stats = this.#exporter.stats()
    const { emitted, written, droppedAsync, failedStrict, quarantined, pending } = stats
    const spooled = stats.spoolOut - stats.spoolIn
    expect(emitted).toBe(written + droppedAsync + failedStrict + quarantined + pending + spooled)
    expect(quarantined).toBe(this.#count(({ fates }) => fates[0] === 'quarantined'))
    const ownWith = (fate: Fate): number => [...this.#own.values()].filter(([is]) => is === fate).length
    const isStrict = ({ submission }: Account): boolean => submission.mode === 'strict'
    expect(written).toBe(this.#count(({ fates }) => fates[0] === 'stored') + ownWith('stored'))
    expect(failedStrict).toBe(this.#count((account) => isLost(account) && isStrict(account)))
    expect(droppedAsync).toBe(
      this.#count((account) => isLost(account) && !isStrict(account)) + ownWith('dropped'),
    )
    if (pending === 0 && spooled === 0) expect(emitted).toBe(this.#accounts.length + this.#own.size)
    const denied = this.#count(({ answers }) => answers.some((answer) => answer instanceof AuditError))
    expect(this.#exporter.metrics.total('strict.denied')).toBe(denied)
  }

  #count(which: (account: Account) => boolean): number {
    return this.#accounts.filter(which).length
  }
}

const isLost = ({ fates }: Account): boolean => fates.some((fate) => fate === 'dropped' || fate === 'refused')

function checkAccount({ submission, answers, fates }: Account, row: TrailRow | undefined): void {
  const { event, mode } = submission
  const what = `${mode} ${event.auditId}`
  expect(fates.length, `${what} settled more than once`).toBeLessThanOrEqual(1)
  expect(answers.length, `${what} answered more than once`).toBeLessThanOrEqual(1)
  const [answer] = answers
  if (fates[0] === 'stored') expect(row, `${what} is said to be stored`).toBeDefined()
  if (fates[0] === 'refused' || fates[0] === 'quarantined')
    expect(row, `${what} is said to be ${fates[0]}`).toBeUndefined()
  if (mode === 'strict' && fates.length > 0)
    expect(answers, `${what} has its fate, and no answer`).toHaveLength(1)
  if (answer instanceof AuditError) {
    // A denial goes on, and may be stored later; a release that was said not to be stored must never turn up.
    const released = event.outcome === 'ok' && answer.row === 'not-stored'
    if (released) expect(row, `${what} was said not to be stored (${answer.code})`).toBeUndefined()
    expect(answer.auditId).toBeTypeOf('bigint')
  } else if (answer !== undefined) {
    expect(row?.event.auditId, `${what} was acknowledged`).toBe(answer.auditId)
    expect(fates).toEqual(['stored'])
  }
  if (row !== undefined) checkRow(row, event)
}

function checkRow({ event, digest }: TrailRow, submitted: AuditEvent): void {
  expect(digest, 'the digest of the stored columns').toEqual(eventDigest(event))
  const rekeyed = event.auditId !== submitted.auditId
  expect(event.originalAuditId).toBe(rekeyed ? submitted.auditId : submitted.originalAuditId)
  expect({ ...event, auditId: 0n, originalAuditId: null }).toEqual({
    ...submitted,
    auditId: 0n,
    originalAuditId: null,
  })
}

function rowsByEvent(rows: readonly TrailRow[]): Map<string, TrailRow[]> {
  const byEvent = new Map<string, TrailRow[]>()
  for (const row of rows) {
    byEvent.set(nameOf(row.event), [...(byEvent.get(nameOf(row.event)) ?? []), row])
  }
  return byEvent
}

/** What an event keeps when it is re-keyed. */
function nameOf({ executionId, credential }: AuditEvent): string {
  return `${executionId} ${credential}`
}
