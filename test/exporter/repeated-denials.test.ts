import { createAudit, Outcome, RecordingAuditSink } from 'otel-audit'
import { describe, expect, it, onTestFinished } from 'vitest'
import { RepeatedDenials } from '../../src/exporter/repeated-denials.js'
import { scraper } from '../otel/scrape.js'

const DENIAL = { credential: 'orders-db', operation: 'get_credential', outcome: 'residency_violation' }
const MINUTE = 60_000

/** How many of those at these times are repeated. */
function repeated(times: readonly number[], fields: Partial<typeof DENIAL> = {}): number {
  const denials = new RepeatedDenials()
  return times.filter((at) => denials.note({ ...DENIAL, ...fields }, at)).length
}

const each = (count: number, ms: number): number[] => Array.from({ length: count }, (_, i) => i * ms)

describe('a denial is one of a burst', () => {
  it('from the eleventh of its credential within five minutes', () => {
    expect(repeated(each(10, 1))).toBe(0)
    expect(repeated(each(11, 1))).toBe(1)
    expect(repeated(each(40, 1))).toBe(30)
  })

  it('wherever the five minutes begin', () => {
    expect(repeated(each(30, 0.5 * MINUTE))).toBe(20)
    expect(repeated(each(30, 0.51 * MINUTE))).toBe(0)
    // Five at the end of one five minutes, six at the beginning of the next.
    const straddling = [
      ...each(5, 1).map((ms) => 5 * MINUTE - 10 + ms),
      ...each(6, 1).map((ms) => 5 * MINUTE + ms),
    ]
    expect(repeated(straddling)).toBe(1)
  })

  it('whatever becomes of other credentials', () => {
    const denials = new RepeatedDenials()
    const noted = each(33, 1).filter((at) => denials.note({ ...DENIAL, credential: `c${at % 3}` }, at))
    expect(noted).toEqual([30, 31, 32])
  })

  it('of a failure too, and not of an access, nor of a row about the trail or about another row', () => {
    expect(repeated(each(11, 1), { outcome: 'provider_unreachable' })).toBe(1)
    for (const outcome of ['ok', 'requested', 'withheld']) expect(repeated(each(50, 1), { outcome })).toBe(0)
    expect(repeated(each(50, 1), { operation: 'audit_gap', outcome: 'lost' })).toBe(0)
  })

  it('while a thousand credentials are denied after it, and not while more are', () => {
    const among = (others: number): boolean => {
      const denials = new RepeatedDenials()
      for (const at of each(10, 1)) denials.note(DENIAL, at)
      for (let i = 0; i < others; i++) denials.note({ ...DENIAL, credential: `other ${i}` }, 20)
      return denials.note(DENIAL, 30)
    }
    expect(among(999)).toBe(true)
    expect(among(1000)).toBe(false)
  })
})

it('a service counts them, and names no credential', async () => {
  const { exposition } = scraper()
  const audit = createAudit({ sink: new RecordingAuditSink() })
  onTestFinished(() => audit.close())
  await audit.start()
  for (let i = 0; i < 14; i++) {
    audit.service.recordAsync({
      credential: 'canary-credential',
      operation: 'get_credential',
      outcome: Outcome.ResidencyViolation,
    })
  }
  const text = await exposition()
  expect(text).toMatch(/^noetl_secret_audit_denials_repeated_total(\{.*\})? 4$/m)
  expect(text).not.toContain('canary')
})
