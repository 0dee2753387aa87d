export { makePrivateFolder } from './private-folder.js';
