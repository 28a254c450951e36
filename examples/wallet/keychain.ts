import type { KeychainEntry } from './config.js'
import { denied } from './denial.js'
import { object, text } from './json.js'
import { renderPath, TemplateError, type TemplateValues } from './template.js'

const ANSWER_LIMIT = 64 * 1024

/** Credentials that are not stored here: each access fetches them from the provider that issues them. */
export class Keychain {
  readonly #entries: ReadonlyMap<string, KeychainEntry>
  readonly #values: TemplateValues
  readonly #timeout: number

  constructor(entries: readonly KeychainEntry[], values: TemplateValues, timeout: number) {
    this.#entries = new Map(entries.map((entry) => [entry.id, entry]))
    this.#values = values
    this.#timeout = timeout
  }

  find(id: string): KeychainEntry | undefined {
    return this.#entries.get(id)
  }

  /** Throws a `Denial`: template_error, provider_fetch_error or credential_not_found. */
  async resolve(entry: KeychainEntry): Promise<Buffer> {
    const response = await this.#fetch(this.#urlOf(entry), entry.token)
    if (response.status === 404) throw denied.notFound('unknown to its provider')
    if (response.status !== 200) throw denied.providerFailed(`the provider answered ${response.status}`)
    try {
      return Buffer.from(text(object(JSON.parse(response.body), 'answer').value, 'value'))
    } catch {
      throw denied.providerFailed('the provider gave an answer that is not understood')
    }
  }

  #urlOf(entry: KeychainEntry): URL {
    try {
      return new URL(renderPath(entry.path, this.#values), entry.provider)
    } catch (error) {
      throw denied.template(error instanceof TemplateError ? error.message : 'the path is malformed')
    }
  }

  async #fetch(url: URL, token: string): Promise<{ status: number; body: string }> {
    try {
      const response = await fetch(url, {
        headers: { authorization: `Bearer ${token}` },
        redirect: 'error',
        signal: AbortSignal.timeout(this.#timeout),
      })
      const chunks: Uint8Array[] = []
      let size = 0
      for await (const chunk of response.body ?? []) {
        size += chunk.length
        if (size > ANSWER_LIMIT) throw new RangeError('too long')
        chunks.push(chunk)
      }
      return { status: response.status, body: Buffer.concat(chunks).toString('utf8') }
    } catch (error) {
      const late = error instanceof Error && error.name === 'TimeoutError'
      if (error instanceof RangeError) throw denied.providerFailed('the answer of the provider is too long')
      throw denied.providerFailed(
        late ? 'the provider did not answer in time' : 'no connection to the provider',
      )
    }
  }
}
