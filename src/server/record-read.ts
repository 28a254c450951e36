import { Outcome } from '../event/vocabulary.js'
import { type Reading, readingFields } from '../event/self-rows.js'
import { Problem } from './problem.js'
import type { ReaderCall, RouteContext } from './route.js'

/**
 * Writes the row about a read. What was read is shown after it is committed, or not at all.
 *
 * @throws Problem 503 when the row is not known to be stored
 */
export async function recordRead(
  { audit, failures }: RouteContext,
  { reader }: ReaderCall,
  reading: Omit<Reading, 'via'>,
  outcome: Outcome = Outcome.Ok,
): Promise<void> {
  try {
    await audit.recordStrict(readingFields(reader, { ...reading, via: 'http' }, outcome))
    failures.worked('a read of the trail could not be recorded, and nothing was shown')
    failures.worked('a request failed')
  } catch (error) {
    failures.failed('a read of the trail could not be recorded, and nothing was shown', error)
    throw new Problem(503, 'Nothing is returned, because the row about this read could not be written.', {
      headers: { 'retry-after': '5' },
    })
  }
}

/** Writes how a stream ended: its rows are with the reader already, and the row that it began is stored. */
export function recordEnd(
  { audit, failures }: RouteContext,
  { reader }: ReaderCall,
  reading: Omit<Reading, 'via'>,
  outcome: Outcome,
): void {
  try {
    audit.recordAsync(readingFields(reader, { ...reading, via: 'http' }, outcome))
  } catch (error) {
    failures.failed('the end of an export could not be recorded', error)
  }
}
