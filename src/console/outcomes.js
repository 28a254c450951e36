import { el } from './dom.js'

/**
 * The colour of every known outcome, and its texture: outcomes of one kind share the colour. Each is the same in every view,
 * whatever else is there.
 */
const LOOKS = {
  ok: ['blue', 0],
  access_denied: ['red', 0],
  residency_violation: ['red', 1],
  wrong_region: ['red', 2],
  no_pubkey: ['red', 3],
  credential_not_found: ['orange', 0],
  invalid_state: ['orange', 1],
  invalid_request: ['orange', 2],
  template_error: ['orange', 3],
  provider_fetch_error: ['purple', 0],
  provider_unreachable: ['purple', 1],
  broker_unreachable: ['purple', 2],
  throttled: ['purple', 3],
  decryption_failure: ['green', 0],
  aborted: ['green', 1],
  other: ['green', 2],
  lost: ['ink', 0],
  withheld: ['ink', 1],
  unauthenticated: ['ink', 2],
  quarantined: ['ink', 3],
  not_hooked: ['ink', 4],
  observed: ['ink', 5],
  requested: ['grey', 1],
  started: ['grey', 0],
  stopped: ['grey', 2],
  mode_changed: ['grey', 3],
  hooked: ['blue', 1],
  wire: ['blue', 2],
}
const QUIET = new Set(['ok', 'started', 'stopped', 'mode_changed', 'hooked', 'wire', 'requested'])

export const OUTCOMES = Object.keys(LOOKS)
export const OPERATIONS = [
  'get_credential',
  'get_sealed',
  'resolve_keychain',
  'cross_region_broker_serve',
  'use_key',
  'issue_credential',
  'write_credential',
  'assume_identity',
  'query_trail',
  'export_trail',
  'audit_lifecycle',
  'audit_gap',
  'audit_coverage',
  'audit_quarantine',
]

/** Whether an outcome says that something went wrong. */
export const isBad = (outcome) => !QUIET.has(outcome)

/** An outcome of an application's own has the texture that its name gives. */
export function lookOf(outcome) {
  if (Object.hasOwn(LOOKS, outcome)) return LOOKS[outcome]
  let sum = 0
  for (const character of outcome) sum = (sum * 31 + character.codePointAt(0)) >>> 0
  return ['pink', sum % 6]
}

/** In the order in which they are stacked: `ok` at the bottom. */
export function inOrder(outcomes) {
  const place = (name) => (OUTCOMES.indexOf(name) + OUTCOMES.length + 1) % (OUTCOMES.length + 1)
  const rank = (name) => (Object.hasOwn(LOOKS, name) ? place(name) : OUTCOMES.length + 1)
  return [...outcomes].toSorted((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))
}

export function swatch(outcome) {
  const [hue, texture] = lookOf(outcome)
  return el('span', { class: `swatch h-${hue} t-${texture}`, 'aria-hidden': 'true' })
}
