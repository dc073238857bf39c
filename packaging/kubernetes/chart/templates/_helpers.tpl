{{- define "entitled.name" -}}
{{- ternary .Release.Name (printf "%s-entitled" .Release.Name) (contains "entitled" .Release.Name) | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{/* What selects pods; `(list . "agent")`. */}}
{{- define "entitled.selector" -}}
app.kubernetes.io/name: entitled
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "entitled.labels" -}}
{{ include "entitled.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
{{- end }}

{{- define "entitled.image" -}}
image: {{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) | quote }}
imagePullPolicy: IfNotPresent
{{- end }}

{{/* Of a container; the daemon, the gateway and the command line have no need of anything more. */}}
{{- define "entitled.confined" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{/* Of a pod. The user namespace is the node's: callers from it would all be the same nobody to the daemon otherwise. */}}
{{- define "entitled.pod" -}}
serviceAccountName: {{ include "entitled.name" (index . 0) }}-{{ index . 1 }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with (index . 0).Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  # Owns emptyDirs and secrets, and changes nothing of directories of the node.
  fsGroup: 65532
  seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "entitled.filesKey" -}}
{{ replace "/" "_" . }}
{{- end }}

{{/* A hash in the name: what changes is a new ConfigMap, and rolls the pods. */}}
{{- define "entitled.filesName" -}}
{{ include "entitled.name" . }}-files-{{ .Values.files | toJson | sha256sum | trunc 10 }}
{{- end }}

{{/* The daemon's container; `dict "top" . "state" … "sockets" … "machine" …`, "env" and "args". The paths are the container's. */}}
{{- define "entitled.daemon" -}}
{{- $top := .top -}}
name: daemon
{{ include "entitled.image" $top }}
{{- with .args }}
args: {{ toJson . }}
{{- end }}
env:
  - { name: STATE_DIRECTORY, value: {{ .state }} }
  - { name: RUNTIME_DIRECTORY, value: {{ .sockets }} }
  # Not where pods of others look: root in a pod is root to the daemon.
  - { name: ENTITLED__SOCKET__ADMIN_PATH, value: /run/entitled-admin/admin.sock }
  - { name: ENTITLED_SOCKET, value: {{ .sockets }}/entitled.sock }
  - { name: ENTITLED_ADMIN_SOCKET, value: /run/entitled-admin/admin.sock }
  - { name: ENTITLED__LOG__FORMAT, value: json }
  {{- range .env }}
  - { name: {{ .name }}, value: {{ .value | quote }} }
  {{- end }}
  {{- if $top.Values.fleet.endpoints }}
  - { name: ENTITLED__FLEET__ENGINE, value: etcd }
  - { name: ENTITLED__FLEET__ENDPOINTS, value: {{ $top.Values.fleet.endpoints | toJson | quote }} }
  - { name: ENTITLED__FLEET__MACHINE, valueFrom: { fieldRef: { fieldPath: {{ .machine }} } } }
  {{- if $top.Values.fleet.secret }}
  - { name: ENTITLED__FLEET__CA, value: /etc/entitled/fleet/ca.crt }
  - { name: ENTITLED__FLEET__CERTIFICATE, value: /etc/entitled/fleet/tls.crt }
  - { name: ENTITLED__FLEET__KEY, value: /etc/entitled/fleet/tls.key }
  - { name: ENTITLED__FLEET__USER, value: entitled }
  - { name: ENTITLED__FLEET__PASSWORD, value: "file:/etc/entitled/fleet/password" }
  {{- end }}
  {{- end }}
securityContext:
  {{- include "entitled.confined" 65532 | nindent 2 }}
# No limit of the processor: an answer would wait for the end of a period. The kubelet keeps 50 MiB of a container's log, which
# count as its storage.
resources:
  requests: { cpu: 50m, memory: 64Mi, ephemeral-storage: 16Mi }
  limits: { memory: 512Mi, ephemeral-storage: 512Mi }
# A light client has two minutes to find its way; a chain that is away does not make the daemon unwell.
startupProbe:
  exec: { command: [/usr/bin/entitlectl, status] }
  periodSeconds: 2
  timeoutSeconds: 6
  failureThreshold: 60
livenessProbe:
  exec: { command: [/usr/bin/entitlectl, status] }
  periodSeconds: 30
  timeoutSeconds: 6
  failureThreshold: 3
readinessProbe:
  exec: { command: [/usr/bin/entitlectl, status] }
  periodSeconds: 10
  timeoutSeconds: 6
volumeMounts:
  - { name: state, mountPath: /var/lib/entitled }
  - { name: sockets, mountPath: /run/entitled }
  - { name: admin, mountPath: /run/entitled-admin }
  # Files one by one: a directory of a ConfigMap holds links, which the daemon does not follow.
  - { name: chains, mountPath: /etc/entitled/entitled.d/chains.toml, subPath: chains.toml, readOnly: true }
  {{- range $path, $_ := $top.Values.files }}
  - { name: files, mountPath: /etc/entitled/{{ $path }}, subPath: {{ include "entitled.filesKey" $path }}, readOnly: true }
  {{- end }}
  {{- if and $top.Values.fleet.endpoints $top.Values.fleet.secret }}
  {{- range list "ca.crt" "tls.crt" "tls.key" "password" }}
  - { name: fleet, mountPath: /etc/entitled/fleet/{{ . }}, subPath: {{ . }}, readOnly: true }
  {{- end }}
  {{- end }}
{{- end }}

{{/* What the daemon's container mounts, but for its state and its sockets. */}}
{{- define "entitled.volumes" -}}
- name: admin
  emptyDir: { medium: Memory, sizeLimit: 1Mi }
- name: chains
  secret: { secretName: {{ .Values.chainsSecret }}, defaultMode: 0440 }
{{- if .Values.files }}
- name: files
  configMap: { name: {{ include "entitled.filesName" . }} }
{{- end }}
{{- if and .Values.fleet.endpoints .Values.fleet.secret }}
- name: fleet
  secret: { secretName: {{ .Values.fleet.secret }}, defaultMode: 0440 }
{{- end }}
{{- end }}

{{/* gateway.toml: what is set, over what follows from the chart. */}}
{{- define "entitled.gatewayToml" -}}
{{- $name := printf "%s-gateway" (include "entitled.name" .) -}}
{{- $spaced := printf "%s.%s" $name .Release.Namespace -}}
{{- $hosts := list $name $spaced (printf "%s.svc" $spaced) (printf "%s.svc.cluster.local" $spaced) -}}
{{- $made := dict "socket" "/run/entitled/daemon/entitled.sock" "listen" "0.0.0.0:8080" "probes" "0.0.0.0:9470" "log" (dict "format" "json") -}}
{{- if .Values.gateway.tlsSecret -}}
{{- $_ := set $made "tls" (dict "certificate" "/etc/entitled/tls/tls.crt" "key" "/etc/entitled/tls/tls.key") -}}
{{- end -}}
{{- if .Values.gateway.tokenReview -}}
{{- $_ := set $made "token_review" (dict) -}}
{{- end -}}
{{- $made = mustMergeOverwrite $made (deepCopy .Values.gateway.settings) -}}
{{- $_ := set $made "hosts" (concat $hosts (.Values.gateway.settings.hosts | default list)) -}}
{{ toToml $made }}
{{- end }}

{{- define "entitled.gatewayName" -}}
{{ include "entitled.name" . }}-gateway-{{ include "entitled.gatewayToml" . | sha256sum | trunc 10 }}
{{- end }}

{{- define "entitled.sidecarToml" -}}
# Serves the agent's figures; nobody may ask it anything else.
socket = "/run/entitled/entitled.sock"
listen = "127.0.0.1:8080"
probes = "0.0.0.0:9470"

[log]
format = "json"

[anonymous]
customer = "customer:1"
scopes = []
{{- end }}

{{- define "entitled.sidecarName" -}}
{{ include "entitled.name" . }}-figures-{{ include "entitled.sidecarToml" . | sha256sum | trunc 10 }}
{{- end }}
