/** Who sent a request, as far as that is proven: not the service whose events are in it, which may be behind a collector. */
export interface Sender {
  /** In the row's attributes, as `gateway.sender`. */
  readonly name: string
  /** Whether it may speak for a service. @param service `service.name` of a resource; undefined: none is given */
  mayNameService(service: string | undefined): boolean
}

/** Of a gateway on loopback, where no credentials are configured. */
export const ANONYMOUS = 'anonymous'
/** In characters, so that the name and all that the gateway says of an event take less than 1 KiB. */
export const LONGEST_SENDER = 256
