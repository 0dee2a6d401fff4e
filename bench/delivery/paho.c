/*
 * Rows `Paho C` of the delivery benchmark: the asynchronous client of Eclipse Paho, MQTT 5, QoS 2, at most W events
 * between MQTTAsync_sendMessage and its success. Memory, or the library's own file persistence (which does not sync).
 * Built with gcc when the benchmark runs.
 *
 * usage: paho URL WINDOW BYTES WARM_UP WARM_UP_SECONDS EVENTS SECONDS DIRECTORY|- [CA CERT KEY]
 */
#include <MQTTAsync.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static const char topic[] = "fp/v1/pump-42/up/event/sale";
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int connected;
static long completed;

static void die(const char *what, int code) {
  fprintf(stderr, "paho: %s: %d\n", what, code);
  _exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

static double cpu_us(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 + used.ru_utime.tv_usec + used.ru_stime.tv_usec;
}

static double peak_rss_mib(void) {
  char line[256];
  double kib = 0;
  FILE *file = fopen("/proc/self/status", "r");
  while (file != NULL && fgets(line, sizeof line, file) != NULL) sscanf(line, "VmHWM: %lf", &kib);
  if (file != NULL) fclose(file);
  return kib / 1024;
}

static void on_lost(void *context, char *cause) {
  (void)context;
  fprintf(stderr, "paho: connection lost: %s\n", cause == NULL ? "" : cause);
  _exit(1);
}

static int on_message(void *context, char *name, int length, MQTTAsync_message *message) {
  (void)context;
  (void)length;
  MQTTAsync_freeMessage(&message);
  MQTTAsync_free(name);
  return 1;
}

static void on_connect(void *context, MQTTAsync_successData5 *data) {
  (void)context;
  (void)data;
  pthread_mutex_lock(&lock);
  connected = 1;
  pthread_cond_signal(&changed);
  pthread_mutex_unlock(&lock);
}

static void on_failure(void *context, MQTTAsync_failureData5 *data) {
  (void)context;
  if (data != NULL && data->message != NULL) fprintf(stderr, "paho: %s\n", data->message);
  die("failed", data == NULL ? 0 : data->code);
}

static void on_complete(void *context, MQTTAsync_successData5 *data) {
  (void)context;
  (void)data;
  pthread_mutex_lock(&lock);
  completed += 1;
  pthread_cond_signal(&changed);
  pthread_mutex_unlock(&lock);
}

static void open_client(MQTTAsync *client, char **argv, int argc, int window) {
  MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer5;
  MQTTAsync_connectOptions options = MQTTAsync_connectOptions_initializer5;
  MQTTAsync_SSLOptions ssl = MQTTAsync_SSLOptions_initializer;
  int files = strcmp(argv[8], "-") != 0;
  int rc;
  create.maxBufferedMessages = 2 * window + 10;
  rc = MQTTAsync_createWithOptions(client, argv[1], "pump-42",
                                   files ? MQTTCLIENT_PERSISTENCE_DEFAULT : MQTTCLIENT_PERSISTENCE_NONE,
                                   files ? argv[8] : NULL, &create);
  if (rc != MQTTASYNC_SUCCESS) die("create", rc);
  MQTTAsync_setCallbacks(*client, NULL, on_lost, on_message, NULL);
  options.keepAliveInterval = 60;
  options.cleanstart = 1;
  options.maxInflight = window;
  options.onSuccess5 = on_connect;
  options.onFailure5 = on_failure;
  if (argc > 11) {
    ssl.trustStore = argv[9];
    ssl.keyStore = argv[10];
    ssl.privateKey = argv[11];
    ssl.enableServerCertAuth = 1;
    ssl.verify = 1;
    options.ssl = &ssl;
  }
  rc = MQTTAsync_connect(*client, &options);
  if (rc != MQTTASYNC_SUCCESS) die("connect", rc);
  pthread_mutex_lock(&lock);
  while (!connected) pthread_cond_wait(&changed, &lock);
  pthread_mutex_unlock(&lock);
}

int main(int argc, char **argv) {
  MQTTAsync client;
  if (argc < 9) die("usage", argc);
  int window = atoi(argv[2]);
  int bytes = atoi(argv[3]);
  long warm_up = atol(argv[4]);
  double warm_up_seconds = atof(argv[5]);
  long events = atol(argv[6]);
  double seconds = atof(argv[7]);
  char *payload = malloc(bytes);
  memset(payload, '.', bytes);
  open_client(&client, argv, argc, window);

  long sent = 0, measured_from = -1;
  double started = now(), from = 0, cpu_from = 0;
  for (;;) {
    pthread_mutex_lock(&lock);
    while (sent - completed >= window) pthread_cond_wait(&changed, &lock);
    long complete = completed;
    pthread_mutex_unlock(&lock);
    double at = now();
    if (measured_from < 0 && (complete >= warm_up || at - started >= warm_up_seconds)) {
      measured_from = complete;
      from = at;
      cpu_from = cpu_us();
    } else if (measured_from >= 0 && (complete - measured_from >= events || at - from >= seconds)) {
      printf("{\"events\":%ld,\"seconds\":%.6f,\"cpuUs\":%.0f,\"rssMib\":%.2f,\"eventBytes\":%d}\n",
             complete - measured_from, at - from, cpu_us() - cpu_from, peak_rss_mib(), bytes);
      fflush(stdout);
      _exit(0);
    }
    MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
    MQTTAsync_message message = MQTTAsync_message_initializer;
    response.onSuccess5 = on_complete;
    response.onFailure5 = on_failure;
    message.payload = payload;
    message.payloadlen = bytes;
    message.qos = 2;
    int rc = MQTTAsync_sendMessage(client, topic, &message, &response);
    if (rc != MQTTASYNC_SUCCESS) die("sendMessage", rc);
    sent += 1;
  }
}
