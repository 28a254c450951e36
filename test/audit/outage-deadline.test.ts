import { createAudit, RecordingAuditSink } from 'otel-audit'
import { expect, onTestFinished, test } from 'vitest'
import type { WriteResult } from '../../src/contract/sink.js'
import { FAILED } from '../support/faults.js'
import { waitUntil } from '../support/wait-until.js'

const ACCESS = { credential: 'orders-db', operation: 'get_credential', outcome: 'ok' } as const
const DENIAL = { ...ACCESS, outcome: 'residency_violation' } as const

/** A pipeline whose database is away while the test says so. */
async function pipeline(outageDeadlineMs: number | undefined) {
  let isAway = false
  let tries = 0
  const sink = new RecordingAuditSink(async (): Promise<WriteResult | undefined> => {
    tries++
    return isAway ? FAILED : undefined
  })
  const audit = createAudit({ sink, strict: true, deadlineMs: 60_000, outageDeadlineMs, lingerMs: 0 })
  onTestFinished(() => audit.close())
  await audit.start()
  return {
    service: audit.service,
    async away() {
      isAway = true
      const before = tries
      audit.service.recordAsync(DENIAL)
      await waitUntil('a write to fail', () => tries > before + 1)
    },
    back: () => void (isAway = false),
  }
}

test('while the last write has failed, strict callers are refused soon, and granted again when it is over', async () => {
  const { service, away, back } = await pipeline(50)
  await service.record(ACCESS)
  await away()
  await expect(service.record(ACCESS)).rejects.toMatchObject({
    code: 'AUDIT_UNAVAILABLE',
    message: expect.stringContaining('not written within 50 ms'),
  })
  // Who says how long it may take for a call is not overruled.
  const patient = service.record(ACCESS, { deadlineMs: 60_000 })
  back()
  expect(await patient).toHaveProperty('committedAt')
  expect(await service.record(ACCESS)).toHaveProperty('committedAt')
})

test('without it they wait for their deadline, as ever', async () => {
  const { service, away, back } = await pipeline(undefined)
  await away()
  const waiting = service.record(ACCESS)
  back()
  expect(await waiting).toHaveProperty('committedAt')
})
