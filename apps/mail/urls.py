"""The outbox as a mailbox, readable while DEBUG is on."""

from django.urls import path

from apps.mail import views

app_name = "mail"
urlpatterns = [
    path("mail/", views.mailbox, name="list"),
    path("mail/<id:pk>/", views.message, name="detail"),
    path("mail/<id:pk>/html/", views.html_part, name="html"),
]
