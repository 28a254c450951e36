import type { StoredRow } from './trail.js'

/** What is known of one event. */
export interface Account {
  readonly n: number
  readonly life: LifeAccount
  readonly mode: 'strict' | 'async'
  readonly outcome: string
  auditId: string | undefined
  /** The audit id that a strict caller was told with the commit. */
  granted: string | undefined
  /** What the error of a strict caller said of the row. */
  refused: string | undefined
  onDisk: boolean
  fate: string | undefined
  readonly rows: StoredRow[]
}

/** What is known of one writer process. */
export interface LifeAccount {
  readonly number: number
  /** It ended in order; else it was killed. */
  closed: boolean
  /** The last of its async events that was on disk, or had a fate; events get to the disk in their order. */
  lastSafe: number
}

/** Why an event is not in the trail, and need not be. */
export type Loss =
  /** Async; its writer was killed before the spool said that it is on disk, and no younger one was. */
  | 'killed-before-on-disk'
  /** Strict; its writer was killed before it answered: nobody got the secret. */
  | 'killed-before-answer'
  /** Strict; its caller was refused, and did not get the secret. */
  | 'caller-refused'
  /** Strict, a denial; its caller was refused, and its writer was killed before it could store it all the same. */
  | 'killed-after-refusal'
  /** The exporter said that it gave it up. */
  | 'given-up'

export type Finding =
  | { readonly is: 'stored' }
  | { readonly is: 'lost'; readonly why: Loss }
  /** What was promised is not there. */
  | { readonly is: 'missing'; readonly why: string }
  /** What is known does not fit together. */
  | { readonly is: 'unaccounted'; readonly why: string }

/** What became of an event, and whether that may be. Rows beyond the first are counted elsewhere. */
export function judge(account: Account): Finding {
  const { rows, granted, refused, outcome, fate, onDisk } = account
  if (rows.length === 0) {
    if (granted !== undefined) return { is: 'missing', why: 'a strict caller was told that it is committed' }
    if (fate === 'stored') return { is: 'missing', why: 'the exporter said that it is stored' }
    if (onDisk) return { is: 'missing', why: 'the spool said that it is on disk' }
    return account.mode === 'strict' ? lostStrict(account) : lostAsync(account)
  }
  if (granted !== undefined && rows.every(({ auditId }) => auditId !== granted)) {
    return { is: 'missing', why: 'a strict caller was told another audit id' }
  }
  if (rows.some((row) => row.outcome !== outcome)) {
    return { is: 'unaccounted', why: 'its row says something else' }
  }
  // A denial goes on after its caller was refused; a release must not.
  if (refused === 'not-stored' && outcome === 'ok') {
    return { is: 'unaccounted', why: 'a strict caller was told that it is not stored' }
  }
  return { is: 'stored' }
}

function lostStrict({ refused, outcome, fate, life }: Account): Finding {
  if (refused !== undefined && outcome === 'ok') return { is: 'lost', why: 'caller-refused' }
  if (fate !== undefined) return { is: 'lost', why: 'given-up' }
  if (life.closed) return { is: 'unaccounted', why: 'its writer ended in order, and nobody was told' }
  return { is: 'lost', why: refused === undefined ? 'killed-before-answer' : 'killed-after-refusal' }
}

function lostAsync({ n, fate, life }: Account): Finding {
  if (fate !== undefined) return { is: 'lost', why: 'given-up' }
  if (life.closed) return { is: 'unaccounted', why: 'its writer ended in order, and nobody was told' }
  if (n < life.lastSafe) return { is: 'unaccounted', why: 'younger events of its writer were on disk' }
  return { is: 'lost', why: 'killed-before-on-disk' }
}
