export type SoakMode = 'strict' | 'async' | 'mixed'

/** The file descriptor of the journal in a writer. */
export const JOURNAL_FILE = 3

/** The orders of a writer, as JSON in its only argument. */
export interface WriterOrders {
  readonly databaseUrl: string
  readonly spoolDirectory: string
  /** Says of the writer's chains that they are the operator's. */
  readonly enrolmentKeyFile: string
  readonly mode: SoakMode
  readonly writerThread: boolean
  /** The execution id of its first event; the others count up. */
  readonly firstEvent: number
}
