type Site = 'same-origin' | 'cross-site' | 'none'

export interface Page {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly location: string | null
}

interface Sent {
  readonly headers: Readonly<Record<string, string>>
  readonly method?: string
  readonly body?: string
}

/** Follows no redirect by itself, keeps cookies for each origin, and says where a request comes from, as browsers do. */
export class Browser {
  readonly #cookies = new Map<string, Map<string, string>>()

  async get(url: string | URL, site: Site = 'same-origin'): Promise<Page> {
    return this.#send(new URL(url), { headers: { 'sec-fetch-site': site } })
  }

  async post(url: string | URL, form: Readonly<Record<string, string>>): Promise<Page> {
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin' }
    return this.#send(new URL(url), { method: 'POST', headers, body: new URLSearchParams(form).toString() })
  }

  cookie(url: string | URL, name: string): string | undefined {
    return this.#jarOf(new URL(url)).get(name)
  }

  set(url: string | URL, name: string, value: string): void {
    this.#jarOf(new URL(url)).set(name, value)
  }

  async #send(url: URL, init: Sent): Promise<Page> {
    const jar = this.#jarOf(url)
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const headers = { ...init.headers, ...(cookie !== '' && { cookie }) }
    const response = await fetch(url, { ...init, headers, redirect: 'manual' })
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (value === '' || /max-age=0(;|$)/i.test(line)) jar.delete(name)
      else jar.set(name, value)
    }
    const location = response.headers.get('location')
    return {
      status: response.status,
      headers: response.headers,
      text: await response.text(),
      location: location === null ? null : new URL(location, url).href,
    }
  }

  #jarOf({ origin }: URL): Map<string, string> {
    const known = this.#cookies.get(origin) ?? new Map<string, string>()
    this.#cookies.set(origin, known)
    return known
  }
}
