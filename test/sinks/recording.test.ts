import { expect, test } from 'vitest'
import { RecordingAuditSink } from '../../src/sinks/recording.js'
import { anEvent, batchOf } from '../support/events.js'
import { UNKNOWN } from '../support/faults.js'
import { recordedRows } from '../support/trail.js'
import { describeAuditSink } from './conformance.js'

describeAuditSink('RecordingAuditSink', async () => {
  let sink = new RecordingAuditSink()
  return {
    open: async () => (sink = new RecordingAuditSink()),
    rows: async () => recordedRows(sink),
    close: async () => {},
  }
})

test('its script decides, and sees every batch', async () => {
  const answers = [UNKNOWN, undefined]
  const sink = new RecordingAuditSink(async () => answers.shift())
  const batch = batchOf(anEvent())
  expect(await sink.write(batch)).toBe(UNKNOWN)
  expect(sink.events).toEqual([])
  expect(await sink.write(batch)).toMatchObject({ status: 'committed' })
  expect(sink.batches).toEqual([batch, batch])
})

test('its events are in ascending order of ids', async () => {
  const sink = new RecordingAuditSink()
  const events = [anEvent(), anEvent(), anEvent()]
  for (const event of events.toReversed()) await sink.write(batchOf(event))
  expect(sink.events).toEqual(events)
})
