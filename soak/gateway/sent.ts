/** The orders of a sender, as JSON in its only argument. */
export interface SenderOrders {
  /** Base addresses that take OTLP over HTTP. Each attempt goes to one of them. */
  readonly targets: readonly string[]
  /** Who does not answer within so many ms is asked no more. */
  readonly patienceMs: number
  readonly serviceName: string
  /** The execution id of its first event; the others count up. */
  readonly firstEvent: number
}

export interface SentEvent {
  /** Its execution id. */
  readonly n: number
  /** Undefined: it lacks an outcome, and has to be kept aside. */
  readonly outcome: string | undefined
  /** The id that it has; without it the gateway derives one. */
  readonly auditId: string | undefined
  readonly spanId: string
}

/** What a sender tells the ledger, in the order in which it happened. See `journal.ts`. */
export type SenderLine =
  /** A request is about to be sent, for the first time. */
  | { readonly what: 'sending'; readonly request: number; readonly events: readonly SentEvent[] }
  /** It was answered by 200. */
  | { readonly what: 'acknowledged'; readonly request: number }
  /** It was answered by something that a sender who has proven who it is must never hear. */
  | { readonly what: 'answered'; readonly request: number; readonly status: number; readonly by: string }
  /** All requests were acknowledged; there are no more. */
  | { readonly what: 'closed' }
