export {
  ABI_VERSION,
  bytesField,
  encodeFrame,
  Fields,
  FrameDecoder,
  MSG,
  numberField,
  ProtocolError,
  TAG,
  textField,
} from './protocol.js';
export type { Field, Frame, MessageType, Tag } from './protocol.js';
export type {
  ProbeState,
  ProfileState,
  SensorConfirm,
  SensorCoverage,
  SensorDrift,
  SensorEvent,
  SensorParent,
  SensorState,
  SensorSuspension,
  SparedDevice,
} from './state.js';
export { ShapeError } from './strict.js';
export { Sensor, SensorRefusedError, SensorUnavailableError } from './sensor.js';
export { SocketSensor } from './socket-sensor.js';
export type { SocketSensorOptions } from './socket-sensor.js';
