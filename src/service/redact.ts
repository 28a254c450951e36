import type { AttributeValue } from '../event/attributes.js'
import type { AuditFields } from '../event/event.js'
import { SecretForms } from './secret-forms.js'

/** What a text is replaced with when it contains the returned secret. */
const REDACTED = '[redacted]'
/** The key of an attribute whose own key contained it. */
const REDACTED_KEY = 'redacted'

type Redactable = Pick<AuditFields, 'notes' | 'attributes'>

export interface Redaction {
  readonly fields: Redactable
  /** How many texts were replaced. */
  readonly count: number
}

/**
 * Replaces notes and attributes that contain the value about to be returned.
 *
 * @returns undefined when nothing had to be replaced
 */
export function redactReturned({ notes, attributes }: Redactable, value: unknown): Redaction | undefined {
  const entries = Object.entries(attributes ?? {})
  const texts = [notes, ...entries.flat()].filter((text) => typeof text === 'string')
  if (texts.length === 0) return undefined
  const forms = new SecretForms(value, Math.max(...texts.map(({ length }) => length)))
  const contains = (text: unknown): boolean => typeof text === 'string' && forms.isIn(text)

  let count = 0
  const replaced = <V>(text: V): V | string => {
    if (!contains(text)) return text
    count++
    return REDACTED
  }
  const cleaned = entries.map(([key, text]): [string, AttributeValue] => {
    if (!contains(key)) return [key, replaced(text)]
    count++
    return [REDACTED_KEY, REDACTED]
  })
  const fields = { notes: replaced(notes), attributes: attributes && Object.fromEntries(cleaned) }
  return count === 0 ? undefined : { fields, count }
}
