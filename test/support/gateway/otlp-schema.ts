import protobuf from 'protobufjs'

/** As far as anything of it is written or read by these tests: field numbers of opentelemetry-proto 1.x. */
const PROTO = `
syntax = "proto3";
message AnyValue {
  oneof value {
    TEXT string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4;
    ArrayValue array_value = 5; KeyValueList kvlist_value = 6; bytes bytes_value = 7;
  }
}
message ArrayValue { repeated AnyValue values = 1; }
message KeyValueList { repeated KeyValue values = 1; }
message KeyValue { TEXT key = 1; AnyValue value = 2; }
message Resource { repeated KeyValue attributes = 1; uint32 dropped_attributes_count = 2; }
message Scope { TEXT name = 1; TEXT version = 2; repeated KeyValue attributes = 3; }
message Event {
  fixed64 time_unix_nano = 1; TEXT name = 2; repeated KeyValue attributes = 3; uint32 dropped_attributes_count = 4;
}
message Link { bytes trace_id = 1; bytes span_id = 2; TEXT trace_state = 3; repeated KeyValue attributes = 4; }
message Status { TEXT message = 2; int32 code = 3; }
message Span {
  bytes trace_id = 1; bytes span_id = 2; TEXT trace_state = 3; bytes parent_span_id = 4; TEXT name = 5; int32 kind = 6;
  fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8; repeated KeyValue attributes = 9;
  uint32 dropped_attributes_count = 10; repeated Event events = 11; uint32 dropped_events_count = 12;
  repeated Link links = 13; uint32 dropped_links_count = 14; Status status = 15; fixed32 flags = 16;
}
message ScopeSpans { Scope scope = 1; repeated Span spans = 2; TEXT schema_url = 3; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; TEXT schema_url = 3; }
message TracesRequest { repeated ResourceSpans resource_spans = 1; }
message LogRecord {
  fixed64 time_unix_nano = 1; int32 severity_number = 2; TEXT severity_text = 3; AnyValue body = 5;
  repeated KeyValue attributes = 6; uint32 dropped_attributes_count = 7; fixed32 flags = 8; bytes trace_id = 9;
  bytes span_id = 10; fixed64 observed_time_unix_nano = 11; TEXT event_name = 12;
}
message ScopeLogs { Scope scope = 1; repeated LogRecord log_records = 2; TEXT schema_url = 3; }
message ResourceLogs { Resource resource = 1; repeated ScopeLogs scope_logs = 2; TEXT schema_url = 3; }
message LogsRequest { repeated ResourceLogs resource_logs = 1; }
`

const schema = (text: 'string' | 'bytes') =>
  protobuf.parse(PROTO.replaceAll('TEXT', text), { keepCase: false }).root

const WRITER = schema('string')
/** Texts as bytes: what libraries make of bytes that are no text differs. */
const READER = schema('bytes')

export type Message = 'TracesRequest' | 'LogsRequest'

/** @param request as OTLP/JSON has it, but for ids, which are bytes */
export function encoded(message: Message, request: object): Buffer {
  const type = WRITER.lookupType(message)
  return Buffer.from(type.encode(type.fromObject(request)).finish())
}

/** @throws Error when it is not one */
export function decodedByReference(message: Message, bytes: Buffer): unknown {
  return READER.lookupType(message).decode(bytes)
}

/** Whether a request that protobufjs can read has a field that has the number of a known one, and not its wire type. */
export function hasOtherWireType(message: Message, bytes: Buffer): boolean {
  return hasOther(READER.lookupType(message), bytes)
}

const LENGTH = 2
const WIRE_TYPES: Readonly<Record<string, number>> = protobuf.types.basic

function hasOther(type: protobuf.Type, bytes: Uint8Array): boolean {
  const reader = protobuf.Reader.create(bytes)
  while (reader.pos < reader.len) {
    const tag = reader.uint32()
    const wireType = tag & 7
    const field = type.fieldsById[tag >>> 3]?.resolve()
    if (field === undefined) {
      reader.skipType(wireType)
      continue
    }
    const wanted = field.resolvedType === null ? WIRE_TYPES[field.type] : LENGTH
    if (wireType !== wanted) return true
    if (field.resolvedType instanceof protobuf.Type) {
      if (hasOther(field.resolvedType, reader.bytes())) return true
    } else {
      reader.skipType(wireType)
    }
  }
  return false
}
