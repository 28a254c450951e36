import type { SinkFault } from '../contract/sink.js'

/** What the rest of the exporter may know of the one who writes. */
export interface Writer {
  /** Why the database could not write last; undefined since it stored or refused rows again. */
  fault(): SinkFault | undefined
  /** Whether rows get through. */
  isWriting(): boolean
  /** Something new waits in the queue. */
  wake(): void
}
