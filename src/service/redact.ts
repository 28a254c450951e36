import type { AttributeValue } from '../event/attributes.js'
import { type AuditFields, ownFields } from '../event/event.js'
import { SecretForms } from './secret-forms.js'

/** What a text is replaced with when it contains the returned secret. */
const REDACTED = '[redacted]'
/** The key of an attribute whose own key contained it. */
const REDACTED_KEY = 'redacted'

/** Fields of text that name somebody or something. */
const IDENTIFIERS = [
  'credential',
  'workerId',
  'serverRegion',
  'brokerRegion',
  'kekVersion',
  'actorId',
  'sourceAddress',
] as const

type Redactable = Pick<Partial<AuditFields>, 'notes' | 'attributes' | (typeof IDENTIFIERS)[number]>

export interface Redaction {
  readonly fields: Redactable
  /** How many texts were replaced. */
  readonly count: number
}

/**
 * Replaces what contains the value about to be returned: notes and attributes, where they contain it in any form or may,
 * since the value cannot be looked into; identifiers, where they are it or contain it whole.
 *
 * @returns undefined when nothing had to be replaced
 */
export function redactReturned(given: Redactable, value: unknown): Redaction | undefined {
  const { notes, attributes, ...identifiers } = ownFields(given)
  const forms = new SecretForms(value)
  let count = 0
  const replaced = <V>(text: V, isIn: boolean): V | string => {
    if (!isIn) return text
    count++
    return REDACTED
  }
  const isInFree = (text: unknown): boolean => {
    if (typeof text === 'number') return forms.isIdentifiedBy(`${text}`)
    return typeof text === 'string' && forms.isIn(text)
  }
  const cleaned = Object.entries(attributes ?? {}).map(([key, text]): [string, AttributeValue] => {
    if (!forms.isIdentifiedBy(key)) return [key, replaced(text, isInFree(text))]
    count++
    return [REDACTED_KEY, REDACTED]
  })
  const fields: Record<string, unknown> = {
    notes: replaced(notes, isInFree(notes)),
    attributes: attributes && Object.fromEntries(cleaned),
  }
  for (const name of IDENTIFIERS) {
    const text = identifiers[name]
    if (typeof text === 'string' && forms.isIdentifiedBy(text)) fields[name] = replaced(text, true)
  }
  return count === 0 ? undefined : { fields: fields, count }
}
