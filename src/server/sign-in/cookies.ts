import { parse, serialize } from 'hono/utils/cookie'

/** The two cookies of a browser. Neither can be read by a script, nor is sent along by pages of other sites. */
export class Cookies {
  readonly #isSecure: boolean

  /** @param isSecure whether browsers come by TLS; else only this machine does */
  constructor(isSecure: boolean) {
    this.#isSecure = isSecure
  }

  /** `__Host-`: only this very host can have set it, by TLS, for all of its paths. */
  #nameOf(name: string): string {
    return this.#isSecure ? `__Host-${name}` : name
  }

  read(request: Request, name: string): string | undefined {
    const full = this.#nameOf(name)
    return parse(request.headers.get('cookie') ?? '', full)[full]
  }

  set(name: string, value: string, maxAgeS: number): string {
    return serialize(this.#nameOf(name), value, {
      path: '/',
      httpOnly: true,
      sameSite: 'Lax',
      secure: this.#isSecure,
      maxAge: maxAgeS,
    })
  }

  clear(name: string): string {
    return this.set(name, '', 0)
  }
}
