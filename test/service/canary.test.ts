import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import type { GuardFields } from '../../src/service/guard.js'
import { denied, recording } from './recording.js'
import { listening, traced } from './telemetry.js'

const CANARY = 'canary/5f0c+27d1 "é"'
const ACCESS: GuardFields = { credential: 'orders-db', operation: 'get_credential' }

const forms = [
  CANARY,
  Buffer.from(CANARY).toString('base64'),
  Buffer.from(CANARY).toString('hex'),
  encodeURIComponent(CANARY),
  JSON.stringify(CANARY).slice(1, -1),
]

const leaks = (where: unknown): string[] => {
  const text = inspect(where, { depth: 20, maxStringLength: null, maxArrayLength: null })
  return forms.filter((form) => text.toLowerCase().includes(form.toLowerCase()))
}

const careless: GuardFields = {
  ...ACCESS,
  notes: `resolved to ${CANARY}`,
  attributes: Object.fromEntries(forms.map((form, i) => [`form_${i}`, `got ${form}`])),
}

describe.each(['async', 'strict'] as const)('a secret that a careless caller writes down, %s', (mode) => {
  it('is in no row, span or log, and what was redacted is counted', async () => {
    const said = listening()
    const { spans } = traced()
    const { service, row, exporter } = recording()
    await service.guard(careless, () => ({ password: CANARY }), { mode })
    const stored = await row()
    expect(stored).toMatchObject({ notes: '[redacted]', outcome: 'ok' })
    expect(
      leaks([stored, spans().map(({ name, attributes, events }) => [name, attributes, events]), said]),
    ).toEqual([])
    expect(exporter.metrics.total('records.redacted')).toBe(1 + forms.length)
  })

  it('is in no error and no log when the record fails', async () => {
    const said = listening()
    const { service, exporter } = recording({}, denied)
    const answer: unknown = await service
      .guard(careless, () => ({ password: CANARY }), { mode })
      .catch((e: unknown) => e)
    await exporter.close(0)
    if (mode === 'strict') expect(leaks(answer)).toEqual([])
    expect(said.length).toBeGreaterThan(0)
    expect(leaks(said)).toEqual([])
  })
})

describe('an error', () => {
  it('names id, credential, operation and outcome, never notes or attributes', async () => {
    const said = listening()
    const { service } = recording({}, denied)
    const fields = { ...ACCESS, outcome: 'ok', notes: CANARY, attributes: { a: CANARY } } as const
    const error: unknown = await service.recordStrict(fields).catch((e: unknown) => e)
    expect(String(error)).toMatch(
      /audit id \d+, operation get_credential, outcome ok, credential "orders-db"/,
    )
    expect(leaks([error, said])).toEqual([])
  })
})
