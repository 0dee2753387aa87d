import { parentPort, workerData } from 'node:worker_threads';
import { judgeDocuments, type WrittenText } from './judge-documents.js';

// Started by `DocumentReader` alone, which gives it one text.
parentPort?.postMessage(judgeDocuments(workerData as WrittenText));
