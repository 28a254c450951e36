import type { AuditPipeline } from '../contract/pipeline.js'

/**
 * A pipeline that is put together when it is first looked at.
 *
 * @param onRecord called before each record is made. MUST NOT throw
 */
export function lazyPipeline(pipeline: () => AuditPipeline, onRecord: () => void): AuditPipeline {
  return {
    get ids() {
      onRecord()
      return pipeline().ids
    },
    get identity() {
      return pipeline().identity
    },
    get policy() {
      return pipeline().policy
    },
    tracing: true,
    submit: (ticket, route) => pipeline().submit(ticket, route),
  }
}
