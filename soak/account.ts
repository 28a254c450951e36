import type { StoredRow } from './trail.js'

/** What is known of one event. */
export interface Account {
  readonly n: number
  readonly life: LifeAccount
  readonly mode: 'strict' | 'async'
  readonly outcome: string
  auditId: string | undefined
  /** The audit id that a strict caller's receipt has. */
  granted: string | undefined
  /** What is known of the row by the error of a strict caller. */
  refused: string | undefined
  /** The last event that was recorded before that. */
  refusedAfter: number
  onDisk: boolean
  fate: string | undefined
  /** Its caller was refused, and then its row was found stored: the last event that was recorded before that. */
  withheldAfter: number | undefined
  /** There is a `withheld` row for it. */
  withheld: boolean
  readonly rows: StoredRow[]
}

/** What is known of one writer process. */
export interface LifeAccount {
  readonly number: number
  /** It ended in order; else it was killed. */
  closed: boolean
  lastEmitted: number
  /** The last of its async events that was on disk. They get there in their order, one before the other. */
  lastSafe: number
}

/** Why an event is not in the trail, and need not be. */
export type Loss =
  /** Async; its writer was killed before the spool reported it as on disk, and no younger one was. */
  | 'killed-before-on-disk'
  /** Strict; its writer was killed before it answered: the secret was not released. */
  | 'killed-before-answer'
  /** Strict; its caller was refused, and did not get the secret. */
  | 'caller-refused'
  /** Strict, a denial; its caller was refused, and its writer was killed before it was on disk all the same. */
  | 'killed-after-refusal'

export type Finding =
  | { readonly is: 'stored' }
  | { readonly is: 'lost'; readonly why: Loss }
  /** What was promised is not there. */
  | { readonly is: 'missing'; readonly why: string }
  /** What is known does not fit together. */
  | { readonly is: 'unaccounted'; readonly why: string }

const YOUNGER = 'younger events of its writer were on disk'

/** What became of an event, and whether that may be. Rows beyond the first are counted elsewhere. */
export function judge(account: Account): Finding {
  const { rows, granted, refused, outcome, fate, onDisk } = account
  if (rows.length === 0) {
    if (granted !== undefined) return { is: 'missing', why: 'a strict caller got a receipt for it' }
    if (fate === 'stored') return { is: 'missing', why: 'the exporter reported it as stored' }
    if (onDisk) return { is: 'missing', why: 'the spool reported it as on disk' }
    return judgeLost(account)
  }
  if (granted !== undefined && rows.every(({ auditId }) => auditId !== granted)) {
    return { is: 'missing', why: 'the receipt of a strict caller has another audit id' }
  }
  if (rows.some((row) => row.outcome !== outcome)) return unaccounted('its row has another outcome')
  // A denial goes on after its caller was refused; a release must not.
  if (refused === 'not-stored' && outcome === 'ok') {
    return unaccounted('a strict caller got an error that says it is not stored')
  }
  if (owesWithheldRow(account)) return unaccounted('its secret was withheld, and there is no withheld row')
  return { is: 'stored' }
}

function judgeLost({ n, mode, refused, refusedAfter, outcome, fate, life }: Account): Finding {
  if (mode === 'strict' && outcome === 'ok' && refused !== undefined) return lost('caller-refused')
  if (life.closed) return unaccounted('its writer ended in order')
  if (mode === 'strict') {
    if (fate !== undefined && outcome !== 'ok') return unaccounted(`a denial was ${fate}`)
    if (refused === undefined) return lost('killed-before-answer')
    return life.lastSafe > refusedAfter ? unaccounted(YOUNGER) : lost('killed-after-refusal')
  }
  // It has a spool, and the disk is not full.
  if (fate !== undefined) return unaccounted(`it was ${fate}`)
  if (n < life.lastSafe) return unaccounted(YOUNGER)
  return lost('killed-before-on-disk')
}

/** The row was made before any event that was recorded afterwards, so it is on disk before them. */
function owesWithheldRow({ withheld, withheldAfter, life }: Account): boolean {
  return !withheld && withheldAfter !== undefined && (life.closed || life.lastSafe > withheldAfter)
}

function lost(why: Loss): Finding {
  return { is: 'lost', why }
}

function unaccounted(why: string): Finding {
  return { is: 'unaccounted', why }
}
