import { expect, test } from 'vitest'
import { NoopAuditSink } from '../../src/sinks/noop.js'

test('the noop sink commits everything, and is named so', async () => {
  const sink = new NoopAuditSink()
  expect(sink.sinkId).toBe('noop')
  for (let round = 0; round < 2; round++) {
    const result = await sink.write()
    expect(result).toEqual({ status: 'committed', committedAt: expect.any(Number) })
  }
  await sink.close()
})
