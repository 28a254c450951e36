import { readFile, stat } from 'node:fs/promises'
import { AuditError } from '../errors.js'
import { diag } from '../host/diagnostics.js'
import { errorText } from '../host/error-text.js'
import { JSON } from '../host/globals.js'

const LARGEST_FILE = 1024 * 1024

/**
 * Which services a sender may speak for: a JSON object, sender → patterns of `service.name`, in which `*` stands for any
 * characters. The sender `*` is every other one.
 *
 * ```json
 * { "spiffe://example.org/collector/eu": ["payments-*", "orders"], "*": ["demo"] }
 * ```
 *
 * An event of another service is stored all the same, and says so: to refuse it would let a mistake in this file destroy
 * evidence.
 */
export class ServicePolicy {
  readonly #file: string
  #rules: ReadonlyMap<string, readonly Pattern[]>

  private constructor(file: string, rules: ReadonlyMap<string, readonly Pattern[]>) {
    this.#file = file
    this.#rules = rules
  }

  /** @throws AuditError `AUDIT_INVALID_OPTION` when the file cannot be read, or is not one */
  static async read(file: string): Promise<ServicePolicy> {
    return new ServicePolicy(file, await readRules(file))
  }

  /** Reads the file again. One that is not a policy changes nothing, and is logged. */
  async reload(): Promise<void> {
    try {
      this.#rules = await readRules(this.#file)
    } catch (error) {
      diag.error(`otel-audit: ${errorText(error)}; the policy that was read before stays`)
    }
  }

  /** Changes when the file does. */
  async version(): Promise<string> {
    const found = await stat(this.#file).catch(() => undefined)
    return found === undefined ? '-' : [found.mtimeMs, found.size, found.ino].join()
  }

  /** @param service undefined: the resource names none, which no pattern allows but `*` */
  allows(sender: string, service: string | undefined): boolean {
    const patterns = this.#rules.get(sender) ?? this.#rules.get('*') ?? []
    return patterns.some((pattern) => matches(pattern, service ?? ''))
  }
}

async function readRules(file: string): Promise<ReadonlyMap<string, readonly Pattern[]>> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw unusable(file, `it cannot be read (${String((cause as { code?: unknown }).code)})`, cause)
  })
  if (text.length > LARGEST_FILE) throw unusable(file, 'it is larger than 1 MiB')
  let given: unknown
  try {
    given = JSON.parse(text)
  } catch (cause) {
    throw unusable(file, 'it is not JSON', cause)
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw unusable(file, 'it must be an object: sender → list of patterns')
  }
  const rules = new Map<string, readonly Pattern[]>()
  for (const [sender, patterns] of Object.entries(given)) {
    if (!Array.isArray(patterns) || !patterns.every((one) => typeof one === 'string')) {
      throw unusable(file, `the patterns of the sender ${JSON.stringify(sender)} must be a list of texts`)
    }
    rules.set(
      sender,
      patterns.map((pattern) => pattern.split('*')),
    )
  }
  return rules
}

/** What stands between the stars, in its order. */
type Pattern = readonly string[]

/**
 * In a time that is in proportion to the text: whoever sends chooses it, and a regular expression with several stars goes back
 * and forth in a long one for hours.
 */
function matches([first = '', ...others]: Pattern, text: string): boolean {
  const last = others.pop()
  if (last === undefined) return text === first
  if (!text.startsWith(first)) return false
  let at = first.length
  for (const part of others) {
    const found = text.indexOf(part, at)
    if (found === -1) return false
    at = found + part.length
  }
  return text.length - last.length >= at && text.endsWith(last)
}

function unusable(file: string, why: string, cause?: unknown): AuditError {
  return new AuditError('AUDIT_INVALID_OPTION', `the policy file ${file}: ${why}`, {
    field: 'policyFile',
    ...(cause !== undefined && { cause }),
  })
}
